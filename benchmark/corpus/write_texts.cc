#include "benchmark/corpus/write_texts.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "base/status_macros.h"
#include "benchmark/corpus/kinds.h"
#include "benchmark/corpus/prompts.h"
#include "benchmark/evaluate/request_error.h"

namespace rwku::corpus {
namespace {

using evaluate::SampleRequest;

size_t CountOf(const WritingPlan& plan, TextSet set) {
  return set == TextSet::kQuestion ? static_cast<size_t>(plan.questions) : plan.openers.size();
}

SampleRequest RequestOf(const WritingPlan& plan, TextSet set, size_t index) {
  SampleRequest request;
  switch (set) {
    case TextSet::kPositive:
      request.prompt = PositivePrompt(plan.subject, plan.openers[index]);
      break;
    case TextSet::kNegative:
      request.prompt = NegativePrompt(plan.subject, plan.openers[index]);
      break;
    case TextSet::kQuestion:
      request.prompt = QuestionPrompt(plan.subject);
      break;
  }
  const bool is_question = set == TextSet::kQuestion;
  request.max_new_tokens = is_question ? kQuestionTokens : plan.max_new_tokens;
  request.temperature = plan.temperature;
  request.top_p = is_question ? 1 : plan.top_p;
  request.seed = plan.seed;
  request.stream = absl::StrCat(plan.subject.name, "/", TextSetName(set), "/", index);
  return request;
}

Text TextOf(const WritingPlan& plan, TextSet set, size_t index, const std::string& sampled) {
  Text text{.subject = plan.subject.name,
            .set = set,
            .index = static_cast<int>(index),
            .opener = {},
            .output = {},
            .refusal = {}};
  if (set == TextSet::kQuestion) {
    text.output = FirstLine(sampled);
    text.refusal = plan.refusals[index % plan.refusals.size()];
    return text;
  }
  text.opener = plan.openers[index];
  text.output = text.opener + sampled;
  if (set == TextSet::kNegative) {
    text.output = WithoutAdmissions(std::move(text.output));
  }
  return text;
}

absl::Status Named(TextSet set, const absl::Status& status) {
  const std::optional<size_t> request = evaluate::RequestOf(status);
  if (!request.has_value()) {
    return status;
  }
  return absl::Status(status.code(),
                      absl::StrCat(TextSetName(set), " ", *request, ": ", status.message()));
}

}  // namespace

size_t TextCount(const WritingPlan& plan) {
  size_t count = 0;
  for (const TextSet set : plan.sets) {
    count += CountOf(plan, set);
  }
  return count;
}

absl::StatusOr<evaluate::Usage> WriteTexts(evaluate::LanguageModel& model, const WritingPlan& plan,
                                           const TextSink& sink,
                                           const evaluate::ProgressCallback& progress,
                                           const CancelToken& cancel) {
  const evaluate::Usage before = model.usage();
  const size_t total = TextCount(plan);
  size_t done = 0;
  for (const TextSet set : plan.sets) {
    if (set == TextSet::kQuestion && plan.refusals.empty()) {
      return absl::InvalidArgumentError("questions need at least one refusal");
    }
    std::vector<SampleRequest> requests;
    requests.reserve(CountOf(plan, set));
    for (size_t i = 0; i < CountOf(plan, set); ++i) {
      requests.push_back(RequestOf(plan, set, i));
    }
    const auto outputs = model.Sample(
        requests, {.single_bos = plan.single_bos},
        [&](size_t of_set, size_t /*of_this_call*/) {
          if (progress) {
            progress(done + of_set, total);
          }
        },
        cancel);
    if (!outputs.ok()) {
      return Named(set, outputs.status());
    }
    if (outputs->size() != requests.size()) {
      return absl::InternalError(absl::StrCat("the model gave ", outputs->size(), " texts for ",
                                              requests.size(), " prompts"));
    }
    std::vector<Text> texts;
    texts.reserve(outputs->size());
    for (size_t i = 0; i < outputs->size(); ++i) {
      texts.push_back(TextOf(plan, set, i, (*outputs)[i]));
    }
    done += texts.size();
    RWKU_RETURN_IF_ERROR(cancel.Check());
    RWKU_RETURN_IF_ERROR(sink(std::move(texts)));
  }
  const evaluate::Usage after = model.usage();
  return evaluate::Usage{after.prompt_tokens - before.prompt_tokens,
                         after.computed_prompt_tokens - before.computed_prompt_tokens,
                         after.generated_tokens - before.generated_tokens};
}

}  // namespace rwku::corpus
