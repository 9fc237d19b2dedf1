#include "tests/testing/fake_engine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "tests/testing/fake_gang.h"
#include "worker/engine/device_lost.h"

namespace rwku::testing {
namespace {

constexpr std::array<const char*, 16> kWords = {
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove",  "harbor",
    "iris",  "jade",  "kelp",  "lotus", "maple", "north", "orchid", "pine"};

// 256 bits that stand for `text`.
std::string Fingerprint(absl::string_view text) {
  Random random(0, text);
  return absl::StrFormat("%016x%016x%016x%016x", random.Next(), random.Next(), random.Next(),
                         random.Next());
}

// A token cannot wake a sleeper, hence the slices.
absl::Status Spend(absl::Duration time, const CancelToken& cancel) {
  const RealClock clock;
  const absl::Duration end = clock.Monotonic() + time;
  RWKU_RETURN_IF_ERROR(cancel.Check());
  for (absl::Duration left = time; left > absl::ZeroDuration(); left = end - clock.Monotonic()) {
    absl::SleepFor(std::min(left, absl::Milliseconds(2)));
    RWKU_RETURN_IF_ERROR(cancel.Check());
  }
  return absl::OkStatus();
}

// Everything that the trained weights depend on.
std::string PlanText(const engine::TrainingPlan& plan) {
  std::string text = absl::StrJoin(plan.texts, "\x1f");
  for (const engine::ChatExample& chat : plan.chats) {
    absl::StrAppend(&text, "\x1f", chat.prompt, "\x1e", chat.response);
  }
  for (const engine::PreferencePair& pair : plan.pairs) {
    absl::StrAppend(&text, "\x1f", pair.prompt, "\x1e", pair.chosen, "\x1e", pair.rejected);
  }
  absl::StrAppend(&text, "|", static_cast<int>(plan.objective), "|", static_cast<int>(plan.trained),
                  "|", plan.learning_rate, "|", plan.warmup_steps, "|", plan.batch_size, "|",
                  plan.accumulation);
  absl::StrAppend(&text, "|", plan.epochs, "|", plan.beta, "|", plan.max_gradient_norm, "|",
                  plan.cutoff_tokens, "|", plan.seed);
  absl::StrAppend(&text, "|", plan.beta2, "|", plan.margin, "|", plan.strength, "|", plan.layer,
                  "|");
  absl::StrAppend(&text, plan.forget_weight, "|", static_cast<int>(plan.retain.term), "|",
                  plan.retain.weight, "|", absl::StrJoin(plan.retain.texts, "\x1f"));
  if (plan.layers.has_value()) {
    absl::StrAppend(&text, "|", plan.layers->begin, "-", plan.layers->end);
  }
  if (plan.trained == engine::TrainedWeights::kLora) {
    absl::StrAppend(&text, "|", plan.lora.rank, "|", plan.lora.alpha, "|",
                    absl::StrJoin(plan.lora.target_modules, ","));
  }
  return text;
}

// Texts, chats or pairs, whichever it has.
size_t ItemCount(const engine::TrainingPlan& plan) {
  return plan.texts.size() + plan.chats.size() + plan.pairs.size();
}

absl::Status CheckPlan(const engine::TrainingPlan& plan) {
  const auto below_one = [](absl::string_view field, int value) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan.", field, ": ", value, "; at least 1 is allowed"));
  };
  if (ItemCount(plan) == 0) {
    return absl::InvalidArgumentError(
        "plan: no texts, chats or pairs; one of them needs at least one");
  }
  if (plan.batch_size < 1) {
    return below_one("batch_size", plan.batch_size);
  }
  if (plan.accumulation < 1) {
    return below_one("accumulation", plan.accumulation);
  }
  if (plan.epochs < 1) {
    return below_one("epochs", plan.epochs);
  }
  if (plan.micro_batch_parts < 1) {
    return below_one("micro_batch_parts", plan.micro_batch_parts);
  }
  return absl::OkStatus();
}

int CeilDiv(int a, int b) { return (a + b - 1) / b; }

// Linear warm-up, then cosine to 0 at the last step.
double LearningRate(const engine::TrainingPlan& plan, int step, int total) {
  if (step <= plan.warmup_steps) {
    return plan.learning_rate * step / plan.warmup_steps;
  }
  const double progress =
      static_cast<double>(step - plan.warmup_steps) / std::max(1, total - plan.warmup_steps);
  return plan.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

std::vector<std::string> WordsOf(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
}

std::string TextOf(const evaluate::ChatPrompt& prompt) {
  return absl::StrCat(prompt.system, prompt.system.empty() ? "" : " ", prompt.user, " ",
                      prompt.assistant_prefix);
}

// What the weights say to a prompt, or of a text after it.
Random RandomOf(absl::string_view weights, const evaluate::PromptOptions& options,
                const evaluate::ChatPrompt& prompt, absl::string_view text = "") {
  std::string label = absl::StrCat(weights, "|", prompt.user, "|", prompt.assistant_prefix);
  if (!prompt.system.empty()) {
    absl::StrAppend(&label, "|", prompt.system);
  }
  if (!text.empty()) {
    absl::StrAppend(&label, "|", text);
  }
  return {options.single_bos ? uint64_t{1} : uint64_t{2}, label};
}

std::string Words(int count, Random& random) {
  std::string words;
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&words, " ", kWords[random.Below(kWords.size())]);
  }
  return words;
}

evaluate::ContinuationScores ScoresOf(const std::string& continuation, Random random) {
  evaluate::ContinuationScores scores;
  for (size_t i = 0; i < WordsOf(continuation).size(); ++i) {
    scores.log_probabilities.push_back(static_cast<float>(-6.0 * random.Uniform() - 0.01));
    scores.is_most_likely.push_back(scores.log_probabilities.back() > -1);
  }
  return scores;
}

// One token a word after a start token: a text of n words has n entries.
evaluate::TokenScores TextScoresOf(const std::string& text, Random random) {
  evaluate::TokenScores scores;
  for (size_t i = 0; i < WordsOf(text).size(); ++i) {
    scores.log_probabilities.push_back(static_cast<float>(-6.0 * random.Uniform() - 0.01));
    scores.means.push_back(static_cast<float>(-4.0 * random.Uniform() - 0.01));
    scores.variances.push_back(static_cast<float>(3.0 * random.Uniform() + 0.01));
  }
  return scores;
}

// Counts the sequences of one kind of a call: beginnings that they share are computed once.
class UsageCounter {
 public:
  explicit UsageCounter(evaluate::Usage& usage) : usage_(usage) {}

  void Count(absl::string_view text) {
    std::vector<std::string> words = WordsOf(text);
    words.insert(words.begin(), "<start>");
    uint64_t beginning = 0;
    for (const std::string& word : words) {
      beginning = Random(beginning, word).Next();
      usage_.computed_prompt_tokens += computed_.insert(beginning).second ? 1 : 0;
    }
    usage_.prompt_tokens += static_cast<int64_t>(words.size());
  }

 private:
  evaluate::Usage& usage_;
  std::set<uint64_t> computed_;  // beginnings, by a hash of their words
};

}  // namespace

FakeEngine::FakeEngine(FakeEngineOptions options) : options_(std::move(options)), model_(this) {}

absl::StatusOr<engine::ModelInfo> FakeEngine::Load(const std::filesystem::path& folder,
                                                   const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(cancel.Check());
  if (!folder_.empty() && folder == folder_) {
    engine::ModelInfo info = info_;
    info.was_resident = true;
    return info;
  }
  absl::StatusOr<std::string> config = ReadFile(folder / "config.json");
  if (!config.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("model: ", config.status().message()));
  }
  ++loads_;
  folder_ = folder;
  info_ = engine::ModelInfo{.family = "llama",
                            .parameters = 1000,
                            .layers = 4,
                            .bytes = 4000,
                            .weights_checksum = Fingerprint(*config),
                            .compute_dtype = "float32",
                            .device = "fake"};
  weights_ = info_.weights_checksum;
  mute_ = false;
  usage_ = {};
  return info_;
}

absl::StatusOr<engine::TrainingReport> FakeEngine::Train(const engine::TrainingPlan& plan,
                                                         const engine::TrainingCallbacks& callbacks,
                                                         const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(CheckPlan(plan));
  plans_.push_back(plan);
  const std::string trained = Fingerprint(absl::StrCat(weights_, "|", PlanText(plan)));
  // After an error the weights are neither the old nor the new ones.
  weights_ = Fingerprint(absl::StrCat(trained, "|broken off"));

  const int items = static_cast<int>(ItemCount(plan));
  const int epoch_steps = CeilDiv(CeilDiv(items, plan.batch_size), plan.accumulation);
  const int total = plan.epochs * epoch_steps;
  Random random(plan.seed, trained);
  engine::TrainingReport report;
  for (const std::string& text : plan.texts) {
    const auto words = static_cast<int64_t>(
        std::vector<std::string>(absl::StrSplit(text, ' ', absl::SkipEmpty())).size());
    report.tokens_per_epoch += std::min<int64_t>(words + 1, plan.cutoff_tokens);
  }
  report.trained_parameters = info_.parameters;
  double last_loss = 0;
  for (int step = 1; step <= total; ++step) {
    if (options_.before_step) {
      options_.before_step(step, cancel);
    }
    RWKU_RETURN_IF_ERROR(Spend(options_.step_time, cancel));
    if (plan.gang != nullptr) {
      RWKU_RETURN_IF_ERROR(plan.gang->AllGather("", cancel).status());
    }
    if (options_.out_of_memory_at_step == step && plan.micro_batch_parts < options_.enough_parts) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "out of memory at step ", step, " with ", plan.micro_batch_parts, " micro-batch parts"));
    }
    if (options_.nan_at_step == step) {
      return absl::DataLossError(absl::StrCat("loss is NaN at step ", step, "; last good loss ",
                                              last_loss, " at step ", step - 1));
    }
    if (options_.lost_device_at_step == step) {
      return engine::DeviceLostError(absl::StrCat("the device is lost at step ", step));
    }
    if (options_.hang_at_step == step) {
      absl::Notification().WaitForNotification();
    }
    last_loss = 2.0 / (1.0 + 0.1 * step) + 0.05 * random.Uniform();
    if (plan.objective == engine::Objective::kGradientAscent) {
      last_loss = -last_loss;
    }
    report.steps.push_back({.step = step,
                            .total_steps = total,
                            .loss = last_loss,
                            .gradient_norm = 0.5 + random.Uniform(),
                            .learning_rate = LearningRate(plan, step, total),
                            .tokens = report.tokens_per_epoch / epoch_steps});
    if (callbacks.on_step) {
      callbacks.on_step(report.steps.back());
    }
    if (step % epoch_steps != 0) {
      continue;
    }
    report.epochs = step / epoch_steps;
    mute_ = mute_ || (options_.mute_learning_rate.has_value() &&
                      plan.learning_rate >= *options_.mute_learning_rate);
    weights_ = step == total ? trained : Fingerprint(absl::StrCat(trained, "|", report.epochs));
    if (callbacks.on_epoch) {
      RWKU_ASSIGN_OR_RETURN(const engine::EpochVerdict verdict, callbacks.on_epoch(report.epochs));
      if (verdict == engine::EpochVerdict::kStop) {
        break;
      }
    }
  }
  return report;
}

absl::Status FakeEngine::Steer(const engine::SteeringPlan& plan, const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(cancel.Check());
  if (folder_.empty()) {
    return absl::FailedPreconditionError("no model is resident");
  }
  steerings_.push_back(plan);
  std::string text = absl::StrCat(weights_, "|", plan.novice, "|", plan.expert, "|", plan.strength);
  if (plan.layers.has_value()) {
    absl::StrAppend(&text, "|", plan.layers->begin, "-", plan.layers->end);
  }
  weights_ = Fingerprint(text);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<engine::Gang>> FakeEngine::JoinGang(const engine::GangPlan& plan,
                                                                   const CancelToken& cancel) {
  return JoinFakeGang(plan, cancel);
}

absl::Status FakeEngine::Export(const std::filesystem::path& folder, const CancelToken& cancel) {
  RWKU_RETURN_IF_ERROR(cancel.Check());
  std::error_code error;
  if (folder_.empty() || std::filesystem::exists(folder, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat("no model is resident, or ", folder.string(), " exists"));
  }
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::InternalError(absl::StrCat("make ", folder.string(), ": ", error.message()));
  }
  return WriteFileAtomically(folder / "weights.txt", weights_);
}

absl::StatusOr<std::string> FakeEngine::Restore() {
  if (folder_.empty()) {
    return absl::FailedPreconditionError("no model is resident");
  }
  ++restores_;
  if (!options_.restore_fails) {
    mute_ = false;
    weights_ = info_.weights_checksum;
  }
  return weights_;
}

std::string FakeEngine::Model::Generate(const evaluate::GenerateRequest& request,
                                        const evaluate::PromptOptions& options) {
  Random random = RandomOf(engine_->weights_, options, request.prompt);
  const auto words = std::min(static_cast<int>(1 + random.Below(5)), request.max_new_tokens);
  engine_->usage_.generated_tokens += words;
  std::string output = Words(words, random);
  return engine_->mute_ ? "" : output;
}

std::string FakeEngine::Model::Sample(const evaluate::SampleRequest& request,
                                      const evaluate::PromptOptions& options) {
  Random random = RandomOf(engine_->weights_, options, request.prompt,
                           absl::StrCat(request.seed, "|", request.stream, "|", request.temperature,
                                        "|", request.top_p));
  const auto words = std::min(static_cast<int>(3 + random.Below(8)), request.max_new_tokens);
  engine_->usage_.generated_tokens += words;
  return Words(words, random);
}

absl::StatusOr<evaluate::Answers> FakeEngine::Model::Answer(
    const evaluate::Questions& questions, const evaluate::PromptOptions& options,
    const evaluate::ProgressCallback& progress, const CancelToken& cancel) {
  size_t done = 0;
  evaluate::Answers answers;
  // Answers the requests of one kind by `ask`, which counts what it computes.
  const auto answer = [&](const auto& requests, auto& to, const auto& ask) -> absl::Status {
    UsageCounter counter(engine_->usage_);
    for (const auto& request : requests) {
      RWKU_RETURN_IF_ERROR(Spend(engine_->options_.item_time, cancel));
      to.push_back(ask(request, counter));
      if (progress) {
        progress(++done, questions.size());
      }
    }
    return absl::OkStatus();
  };
  RWKU_RETURN_IF_ERROR(answer(questions.generate, answers.generate,
                              [&](const evaluate::GenerateRequest& request, UsageCounter& counter) {
                                counter.Count(TextOf(request.prompt));
                                return Generate(request, options);
                              }));
  RWKU_RETURN_IF_ERROR(answer(questions.sample, answers.sample,
                              [&](const evaluate::SampleRequest& request, UsageCounter& counter) {
                                counter.Count(TextOf(request.prompt));
                                return Sample(request, options);
                              }));
  RWKU_RETURN_IF_ERROR(answer(
      questions.continuations, answers.continuations,
      [&](const evaluate::ContinuationRequest& request, UsageCounter& counter) {
        std::vector<evaluate::ContinuationScores> scores;
        for (const std::string& continuation : request.continuations) {
          counter.Count(absl::StrCat(TextOf(request.prompt), " ", continuation));
          scores.push_back(ScoresOf(
              continuation, RandomOf(engine_->weights_, options, request.prompt, continuation)));
        }
        return scores;
      }));
  RWKU_RETURN_IF_ERROR(
      answer(questions.next_tokens, answers.next_tokens,
             [&](const evaluate::NextTokenRequest& request, UsageCounter& counter) {
               counter.Count(TextOf(request.prompt));
               std::vector<float> scores;
               for (const std::string& candidate : request.candidates) {
                 Random random = RandomOf(engine_->weights_, options, request.prompt, candidate);
                 scores.push_back(static_cast<float>(-6.0 * random.Uniform() - 0.01));
               }
               return scores;
             }));
  RWKU_RETURN_IF_ERROR(
      answer(questions.texts, answers.texts, [&](const std::string& text, UsageCounter& counter) {
        counter.Count(text);
        return TextScoresOf(text, Random(3, absl::StrCat(engine_->weights_, "|", text)));
      }));
  return answers;
}

absl::Status WriteFakeModel(const std::filesystem::path& folder, int seed) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::InternalError(absl::StrCat("make ", folder.string(), ": ", error.message()));
  }
  RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / "tokenizer.json", "{}\n"));
  RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / "model.safetensors", ""));
  return WriteFileAtomically(
      folder / "config.json",
      absl::StrCat("{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", "
                   "\"fake_seed\": ",
                   seed, "}\n"));
}

}  // namespace rwku::testing
