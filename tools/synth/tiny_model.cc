#include "tools/synth/tiny_model.h"

#include <algorithm>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include <ATen/Parallel.h>

#include "base/status_macros.h"
#include "text/tokenizer.h"
#include "tools/synth/documents.h"
#include "tools/synth/tiny_tokenizer.h"
#include "tools/synth/training_rows.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/model_config.h"
#include "worker/engine/torch_status.h"
#include "worker/engine/train/pretrain.h"

namespace rwku::synth {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRowTokens = 256;
constexpr int kRowsPerStep = 4;
constexpr int kReportEvery = 50;
constexpr int kLongestWarmup = 80;
constexpr double kInitialStd = 0.02;

// The shape that learns the world in minutes: more width costs time and recalls no more.
engine::ModelConfig TinyConfig(int vocabulary_size, int32_t bos, int32_t eos) {
  engine::ModelConfig config;
  config.hidden_size = 128;
  config.intermediate_size = 384;
  config.num_hidden_layers = 4;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 32;
  config.vocab_size = vocabulary_size;
  config.max_position_embeddings = 1024;
  config.rms_norm_eps = 1e-5;
  config.tie_word_embeddings = true;
  config.bos_token_id = bos;
  config.eos_token_ids = {eos};
  return config;
}

absl::Status Train(engine::CausalLm& model, TrainingRows& rows, const TinyModelOptions& options,
                   const std::function<void(const TinyModelProgress&)>& on_progress) {
  engine::PretrainOptions pretrain;
  pretrain.total_steps = options.steps;
  pretrain.warmup_steps = std::min(kLongestWarmup, options.steps / 2);
  engine::Pretrainer trainer(&model, pretrain);
  double loss_sum = 0;
  int summed = 0;
  for (int step = 1; step <= options.steps; ++step) {
    std::vector<engine::PretrainRow> batch;
    for (int i = 0; i < kRowsPerStep; ++i) {
      RWKU_ASSIGN_OR_RETURN(TrainingRow row, rows.Next());
      batch.push_back({std::move(row.tokens), std::move(row.weights)});
    }
    RWKU_ASSIGN_OR_RETURN(const double loss, trainer.Step(batch));
    loss_sum += loss;
    ++summed;
    if (step % kReportEvery == 0 || step == options.steps) {
      on_progress({step, options.steps, loss_sum / summed});
      loss_sum = 0;
      summed = 0;
    }
  }
  return absl::OkStatus();
}

absl::Status WriteModel(const World& world, const TinyModelOptions& options,
                        const std::function<void(const TinyModelProgress&)>& on_progress,
                        const fs::path& folder) {
  RWKU_RETURN_IF_ERROR(WriteTinyTokenizer(world, options.seed, options.vocabulary_size, folder));
  RWKU_ASSIGN_OR_RETURN(const std::unique_ptr<text::Tokenizer> tokenizer,
                        text::Tokenizer::Load(folder));
  const std::unique_ptr<engine::CausalLm> model =
      engine::CausalLm::Random(TinyConfig(tokenizer->vocabulary_size(),
                                          tokenizer->bos_id().value_or(0), tokenizer->eos_id()),
                               options.seed, kInitialStd);
  DocumentStream documents(world, options.seed + 1);
  TrainingRows rows(documents, *tokenizer, kRowTokens);
  RWKU_RETURN_IF_ERROR(Train(*model, rows, options, on_progress));
  return engine::SaveCausalLm(*model, folder);
}

}  // namespace

absl::Status MakeTinyModel(const World& world, const TinyModelOptions& options,
                           const std::function<void(const TinyModelProgress&)>& on_progress,
                           const fs::path& folder) {
  if (fs::exists(folder)) {
    return absl::AlreadyExistsError(absl::StrCat(folder.string(), " exists"));
  }
  // Made under another name, so that a broken-off training leaves no model behind.
  const fs::path unfinished = folder.string() + ".unfinished";
  std::error_code error;
  fs::remove_all(unfinished, error);
  if (!fs::create_directories(unfinished, error)) {
    return absl::InternalError(
        absl::StrCat("cannot create ", unfinished.string(), ": ", error.message()));
  }
  at::set_num_threads(options.threads);
  RWKU_RETURN_IF_ERROR(
      engine::CatchTorch([&] { return WriteModel(world, options, on_progress, unfinished); }));
  fs::rename(unfinished, folder, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot create ", folder.string(), ": ", error.message()));
  }
  return absl::OkStatus();
}

}  // namespace rwku::synth
