#include "worker/agent/convert.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "benchmark/methods/layers.h"
#include "worker/agent/corpus_convert.h"

namespace rwku::agent {
namespace {

constexpr size_t kMaxFailureBytes = 4096;

absl::StatusOr<methods::Tuning> ToTuning(v1::TuningKind kind) {
  switch (kind) {
    case v1::TUNING_KIND_NONE:
      return methods::Tuning::kNone;
    case v1::TUNING_KIND_FULL:
      return methods::Tuning::kFull;
    case v1::TUNING_KIND_LORA:
      return methods::Tuning::kLora;
    case v1::TUNING_KIND_PARTIAL:
      return methods::Tuning::kPartial;
    default:
      return absl::InvalidArgumentError(absl::StrCat("spec.recipe.tuning: ", static_cast<int>(kind),
                                                     "; none, full, lora or partial is allowed"));
  }
}

// Unset in jobs of servers that know no retain terms: none.
absl::StatusOr<methods::RetainTerm> ToRetainTerm(v1::RetainTermKind kind) {
  switch (kind) {
    case v1::RETAIN_TERM_KIND_UNSPECIFIED:
    case v1::RETAIN_TERM_KIND_NONE:
      return methods::RetainTerm::kNone;
    case v1::RETAIN_TERM_KIND_NLL:
      return methods::RetainTerm::kNll;
    case v1::RETAIN_TERM_KIND_KL:
      return methods::RetainTerm::kKl;
    case v1::RETAIN_TERM_KIND_HIDDEN:
      return methods::RetainTerm::kHidden;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("spec.recipe.retain.term: ", static_cast<int>(kind),
                       "; none, nll, kl or hidden is allowed"));
  }
}

absl::StatusOr<methods::Recipe> ToRecipe(const v1::Recipe& proto) {
  methods::Recipe recipe;
  recipe.method = proto.method();
  RWKU_ASSIGN_OR_RETURN(recipe.tuning, ToTuning(proto.tuning()));
  if (proto.has_lora()) {
    recipe.lora.rank = proto.lora().rank();
    recipe.lora.alpha = proto.lora().alpha();
    recipe.lora.target_modules.assign(proto.lora().target_modules().begin(),
                                      proto.lora().target_modules().end());
  }
  recipe.learning_rate = proto.learning_rate();
  recipe.batch_size = proto.batch_size();
  recipe.accumulation = proto.accumulation();
  recipe.epochs = proto.epochs();
  recipe.warmup_steps = proto.warmup_steps();
  recipe.beta = proto.beta();
  recipe.max_gradient_norm = proto.max_gradient_norm();
  recipe.cutoff_tokens = proto.cutoff_tokens();
  recipe.max_texts = proto.max_texts();
  recipe.beta2 = proto.beta2();
  recipe.margin = proto.margin();
  recipe.strength = proto.strength();
  if (proto.has_layer()) {
    recipe.layer = proto.layer();
  }
  if (proto.has_forget_weight()) {
    recipe.forget_weight = proto.forget_weight();
  }
  RWKU_ASSIGN_OR_RETURN(recipe.retain.term, ToRetainTerm(proto.retain().term()));
  if (proto.retain().has_weight()) {
    recipe.retain.weight = proto.retain().weight();
  }
  recipe.retain.source = proto.retain().source() == v1::RETAIN_SOURCE_NEIGHBORS
                             ? methods::RetainSource::kNeighbors
                             : methods::RetainSource::kTargets;
  if (!proto.layers().empty()) {
    RWKU_ASSIGN_OR_RETURN(recipe.layers, methods::ParseLayers(proto.layers()));
  }
  recipe.label = proto.label();
  return recipe;
}

absl::StatusOr<job::TargetMode> ToMode(v1::TargetMode mode) {
  switch (mode) {
    case v1::TARGET_MODE_UNSPECIFIED:
    case v1::TARGET_MODE_SINGLE:
      return job::TargetMode::kSingle;
    case v1::TARGET_MODE_BATCH:
      return job::TargetMode::kBatch;
    case v1::TARGET_MODE_SEQUENTIAL:
      return job::TargetMode::kSequential;
    default:
      return absl::InvalidArgumentError(absl::StrCat("spec.target_mode: ", static_cast<int>(mode),
                                                     "; single, batch or sequential is allowed"));
  }
}

}  // namespace

std::string LeaseText(const v1::Lease& lease) {
  return absl::StrCat(lease.job(), "#", lease.fencing_token());
}

absl::StatusOr<job::AttemptSpec> ToAttemptSpec(const v1::Assign& assign) {
  if (assign.world_size() > 1 &&
      (assign.rank() < 0 || assign.rank() >= assign.world_size() || assign.rendezvous().empty())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank: ", assign.rank(), " of ", assign.world_size(), " at rendezvous \"",
        assign.rendezvous(), "\"; a rank below the world size and host:port are allowed"));
  }
  if (assign.micro_batch_halvings() < 0 ||
      assign.micro_batch_halvings() > job::kMaxMicroBatchHalvings) {
    return absl::InvalidArgumentError(
        absl::StrCat("micro_batch_halvings: ", assign.micro_batch_halvings(), "; 0 to ",
                     job::kMaxMicroBatchHalvings, " are allowed"));
  }
  const v1::JobSpec& proto = assign.spec();
  job::AttemptSpec spec;
  spec.gang.world_size = std::max(1, assign.world_size());
  spec.gang.rank = spec.gang.world_size > 1 ? assign.rank() : 0;
  spec.gang.rendezvous = assign.rendezvous();
  spec.gang.name = LeaseText(assign.lease());
  spec.shard_optimizer_state = proto.shard_optimizer_state();
  spec.model = proto.model();
  spec.dataset = proto.dataset();
  RWKU_ASSIGN_OR_RETURN(spec.mode, ToMode(proto.target_mode()));
  for (const v1::JobTarget& target : proto.targets()) {
    spec.targets.push_back({.name = target.name(), .number = target.number()});
  }
  if (spec.targets.empty()) {  // of an older server
    spec.targets.push_back({.name = proto.target(), .number = proto.target_number()});
  }
  if (spec.mode == job::TargetMode::kSingle && spec.targets.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec.targets: ", spec.targets.size(), "; a job of a single target has one"));
  }
  spec.evaluate_epochs = proto.evaluate_epochs();
  spec.export_folder = proto.export_folder();
  spec.seed = proto.seed();
  spec.single_bos = proto.protocol().single_bos();
  if (proto.has_corpus()) {
    RWKU_ASSIGN_OR_RETURN(spec.corpus, ToCorpusSettings(proto));
    return spec;
  }
  RWKU_ASSIGN_OR_RETURN(spec.recipe, ToRecipe(proto.recipe()));
  for (const std::string& name : proto.probe_sets()) {
    RWKU_ASSIGN_OR_RETURN(const dataset::ProbeSet set, dataset::ParseProbeSet(name));
    spec.probe_sets.push_back(set);
  }
  spec.stop_at_newline = proto.protocol().stop_at_newline();
  spec.micro_batch_halvings = assign.micro_batch_halvings();
  return spec;
}

namespace {

v1::ChoiceList ToProto(evaluate::ChoiceList list) {
  switch (list) {
    case evaluate::ChoiceList::kOnly:
      return v1::CHOICE_LIST_UNSPECIFIED;
    case evaluate::ChoiceList::kMc1:
      return v1::CHOICE_LIST_MC1;
    case evaluate::ChoiceList::kMc2:
      return v1::CHOICE_LIST_MC2;
  }
  CheckFailed(__FILE__, __LINE__, "choice list is one of the enum's");
}

}  // namespace

v1::Prediction ToProto(const evaluate::Prediction& prediction) {
  v1::Prediction proto;
  proto.set_target(prediction.target);
  proto.set_probe_set(std::string(dataset::ProbeSetName(prediction.probe_set)));
  proto.set_index(prediction.index);
  proto.set_type(prediction.type);
  proto.set_query(prediction.query);
  proto.set_answer(prediction.answer);
  proto.set_neighbor(prediction.neighbor);
  proto.set_output(prediction.output);
  for (const evaluate::Score& score : prediction.scores) {
    v1::Score* added = proto.add_scores();
    added->set_name(score.name);
    if (score.value.has_value()) {
      added->set_value(*score.value);
    }
  }
  proto.mutable_token_log_probabilities()->Add(prediction.token_log_probabilities.begin(),
                                               prediction.token_log_probabilities.end());
  proto.mutable_token_means()->Add(prediction.token_means.begin(), prediction.token_means.end());
  proto.mutable_token_variances()->Add(prediction.token_variances.begin(),
                                       prediction.token_variances.end());
  proto.mutable_accepted_answers()->Add(prediction.accepted_answers.begin(),
                                        prediction.accepted_answers.end());
  for (const evaluate::Choice& choice : prediction.choices) {
    v1::Choice* added = proto.add_choices();
    added->set_text(choice.text);
    added->set_is_correct(choice.is_correct);
    added->set_list(ToProto(choice.list));
    added->set_log_probability(choice.log_probability);
  }
  proto.mutable_answer_log_probabilities()->Add(prediction.answer_log_probabilities.begin(),
                                                prediction.answer_log_probabilities.end());
  proto.mutable_answer_is_most_likely()->Add(prediction.answer_is_most_likely.begin(),
                                             prediction.answer_is_most_likely.end());
  proto.set_checkpoint(prediction.checkpoint);
  return proto;
}

v1::MemoryPlan ToProto(const engine::MemoryPlan& plan) {
  v1::MemoryPlan proto;
  proto.set_weight_bytes(plan.weight_bytes);
  proto.set_gradient_bytes(plan.gradient_bytes);
  proto.set_optimizer_bytes(plan.optimizer_bytes);
  proto.set_activation_bytes(plan.activation_bytes);
  proto.set_logit_bytes(plan.logit_bytes);
  proto.set_workspace_bytes(plan.workspace_bytes);
  proto.set_available_bytes(plan.available_bytes);
  proto.set_micro_batch_texts(plan.micro_batch_texts);
  proto.set_micro_batch_tokens(plan.micro_batch_tokens);
  return proto;
}

v1::JobProgress ToProto(const job::Progress& progress) {
  v1::JobProgress proto;
  proto.set_stage(std::string(job::StageName(progress.stage)));
  proto.set_done(progress.done);
  proto.set_total(progress.total);
  if (progress.loss.has_value()) {
    proto.set_loss(*progress.loss);
  }
  return proto;
}

v1::FailureClass ToProto(job::FailureClass failure_class) {
  switch (failure_class) {
    case job::FailureClass::kInfrastructure:
      return v1::FAILURE_CLASS_INFRASTRUCTURE;
    case job::FailureClass::kResource:
      return v1::FAILURE_CLASS_RESOURCE;
    case job::FailureClass::kNumeric:
      return v1::FAILURE_CLASS_NUMERIC;
    case job::FailureClass::kInput:
      return v1::FAILURE_CLASS_INPUT;
    case job::FailureClass::kInternal:
      return v1::FAILURE_CLASS_INTERNAL;
  }
  CheckFailed(__FILE__, __LINE__, "failure class is one of the enum's");
}

v1::JobResult ToProto(const job::AttemptResult& result) {
  v1::JobResult proto;
  const std::vector<engine::TrainingStep>& curve = result.training_curve;
  const size_t kept = std::min(curve.size(), kMaxCurveSteps);
  for (size_t i = 0; i < kept; ++i) {
    // Rounded down, so that the indices are distinct, from 0 to the last one.
    const engine::TrainingStep& step = curve[kept < 2 ? i : i * (curve.size() - 1) / (kept - 1)];
    v1::TrainingStep* added = proto.add_training_curve();
    added->set_step(step.step);
    added->set_loss(step.loss);
    added->set_gradient_norm(step.gradient_norm);
    added->set_learning_rate(step.learning_rate);
  }
  proto.mutable_timings()->set_load_seconds(absl::ToDoubleSeconds(result.timings.load));
  proto.mutable_timings()->set_corpus_seconds(absl::ToDoubleSeconds(result.timings.corpus));
  proto.mutable_timings()->set_unlearn_seconds(absl::ToDoubleSeconds(result.timings.unlearn));
  proto.mutable_timings()->set_evaluate_seconds(absl::ToDoubleSeconds(result.timings.evaluate));
  proto.set_original_weights_checksum(result.original_weights_checksum);
  proto.set_restored_weights_checksum(result.restored_weights_checksum);
  proto.set_corpus_texts(result.corpus_texts);
  proto.set_corpus_tokens(result.corpus_tokens);
  proto.mutable_usage()->set_prompt_tokens(result.usage.prompt_tokens);
  proto.mutable_usage()->set_computed_prompt_tokens(result.usage.computed_prompt_tokens);
  proto.mutable_usage()->set_generated_tokens(result.usage.generated_tokens);
  proto.set_metrics_version(result.metrics_version);
  proto.set_word_tokenizer(result.word_tokenizer);
  proto.set_model_loads(result.model_loads);
  proto.set_reference_texts_computed(result.reference_texts_computed);
  proto.set_reference_texts_cached(result.reference_texts_cached);
  if (result.memory.has_value()) {
    *proto.mutable_memory() = ToProto(*result.memory);
  }
  proto.set_collapse(result.collapse);
  proto.set_epochs_trained(result.epochs_trained);
  proto.set_export_folder(result.export_folder);
  proto.set_trained_parameters(result.trained_parameters);
  return proto;
}

std::string FailureMessage(absl::string_view text) {
  std::string message;
  while (!text.empty()) {
    const size_t length = Utf8CharacterLength(text);
    const absl::string_view character = length == 0 ? "?" : text.substr(0, length);
    if (message.size() + character.size() > kMaxFailureBytes) {
      break;
    }
    absl::StrAppend(&message, character);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return message;
}

std::string SerializeDeterministically(const v1::Prediction& prediction) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    RWKU_CHECK(prediction.SerializeToCodedStream(&coded));
  }
  return bytes;
}

}  // namespace rwku::agent
