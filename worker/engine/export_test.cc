// Writes exports of models of tests/oracle/model_oracle.py into the folder RWKU_EXPORTS, and what
// our engine computes from them; tests/oracle/export_oracle.py loads them with transformers and
// peft and compares.
#include "worker/engine/model/export.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "text/tokenizer.h"
#include "worker/engine/model/causal_lm.h"
#include "worker/engine/model/safetensors.h"
#include "worker/engine/train/lora.h"
#include "worker/engine/train/train.h"

namespace rwku::engine {
namespace {

namespace fs = std::filesystem;

class ExportTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* const root = std::getenv("RWKU_MODEL_ORACLE");
    const char* const exports = std::getenv("RWKU_EXPORTS");
    if (root == nullptr || exports == nullptr || !fs::exists(fs::path(root) / "stamp.json")) {
      GTEST_SKIP() << "no oracle models: .deps/venv with transformers is missing";
    }
    source_ = fs::path(root) / GetParam();
    exports_ = exports;
    auto model = LoadCausalLm(source_, at::kCPU);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    for (const auto& [name, parameter] : model_->NamedParameters()) {
      pristine_.push_back(parameter.clone());
    }
  }

  void TrainFully() {
    const auto tokenizer = text::Tokenizer::Load(source_);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    TrainingPlan plan;
    plan.texts = {"Anna Berg played the cello.", "She lived by the sea.", "The harp was hers."};
    plan.learning_rate = 1e-3;
    plan.warmup_steps = 1;
    const auto report = TrainModel(*model_, **tokenizer, plan, {}, cancel_);
    ASSERT_TRUE(report.ok()) << report.status();
  }

  // Adapters on two projections and an update that is not zero.
  void Adapt() {
    const bool is_fused = model_->config().HasFusedProjections();
    LoraPlan plan;
    plan.rank = 4;
    plan.alpha = 6;
    plan.target_modules = {is_fused ? "qkv_proj" : "k_proj",
                           is_fused ? "gate_up_proj" : "down_proj"};
    AttachLora(plan, std::nullopt, 3, model_.get());
    Random random(5, "lora_B");
    for (const auto& [name, linear] : model_->NamedLinears()) {
      if (linear->adapter) {
        auto* const values = linear->adapter->b.mutable_data_ptr<float>();
        for (int64_t i = 0; i < linear->adapter->b.numel(); ++i) {
          values[i] = static_cast<float>(0.1 * random.Normal());
        }
      }
    }
  }

  fs::path CaseFolder(const std::string& name) const {
    return exports_ / absl::StrCat(GetParam(), "_", name);
  }

  // Exports the model, and writes logits of some token sequences beside it.
  void Export(const std::string& name) {
    const at::AutoGradMode no_grad(false);
    const fs::path folder = CaseFolder(name);
    fs::remove_all(folder);
    fs::create_directories(folder);
    const absl::Status status =
        ExportModel(*model_, pristine_, source_, folder / "export", cancel_);
    ASSERT_TRUE(status.ok()) << status;
    std::vector<NamedTensor> tensors;
    for (const int64_t length : {5, 48, 60}) {
      std::vector<int32_t> tokens;
      for (int64_t i = 0; i < length; ++i) {
        tokens.push_back(static_cast<int32_t>(5 + 7 * i * i % 300));
      }
      const PackedSequences packed = MakePacked({tokens}, at::kCPU);
      tensors.emplace_back(absl::StrCat("tokens.", length), packed.tokens);
      tensors.emplace_back(absl::StrCat("logits.", length), model_->Logits(model_->Hidden(packed)));
    }
    ASSERT_TRUE(SaveSafetensors(tensors, folder / "ours.safetensors").ok());
  }

  bool IsThere(const std::string& name, const char* file) const {
    return fs::exists(CaseFolder(name) / "export" / file);
  }

  const CancelToken cancel_;
  fs::path source_;
  fs::path exports_;
  std::unique_ptr<CausalLm> model_;
  std::vector<at::Tensor> pristine_;
};

TEST_P(ExportTest, TrainedWeightsAreWholeInTheHubsLayout) {
  TrainFully();
  Export("full");
  EXPECT_TRUE(IsThere("full", "config.json"));
  EXPECT_TRUE(IsThere("full", "tokenizer.json"));
  EXPECT_TRUE(IsThere("full", "chat_template.jinja"));
  EXPECT_FALSE(IsThere("full", "adapter_config.json"));
  // Our own loader takes it as well.
  const auto again = LoadCausalLm(CaseFolder("full") / "export", at::kCPU);
  ASSERT_TRUE(again.ok()) << again.status();
  const auto before = model_->NamedParameters();
  const auto after = (*again)->NamedParameters();
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(before[i].second.equal(after[i].second)) << before[i].first;
  }
}

TEST_P(ExportTest, AdaptersOfTheOriginalWeightsAreInPeftsLayout) {
  Adapt();
  Export("lora");
  EXPECT_TRUE(IsThere("lora", "adapter_config.json"));
  EXPECT_TRUE(IsThere("lora", "tokenizer.json"));
  EXPECT_FALSE(IsThere("lora", "model.safetensors"));
}

TEST_P(ExportTest, AdaptersOfSomeLayersNameThem) {
  Adapt();
  for (const auto& [name, linear] : model_->NamedLinears()) {
    if (absl::StrContains(name, "layers.0.")) {
      linear->adapter.reset();
    }
  }
  Export("layers");
  EXPECT_TRUE(IsThere("layers", "adapter_config.json"));
}

TEST_P(ExportTest, AdaptersOfTrainedWeightsAreMerged) {
  TrainFully();
  Adapt();
  Export("merged");
  EXPECT_TRUE(IsThere("merged", "model.safetensors"));
  EXPECT_FALSE(IsThere("merged", "adapter_config.json"));
}

INSTANTIATE_TEST_SUITE_P(Models, ExportTest,
                         testing::Values("gqa_tied", "bfloat16", "mistral_window", "phi3_long",
                                         "qwen2_window"),
                         [](const auto& info) { return std::string(info.param); });

class ExportFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            absl::StrCat("export_", getpid(), "_",
                         testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "source");
    ModelConfig config;
    config.hidden_size = 32;
    config.intermediate_size = 48;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 2;
    config.num_key_value_heads = 1;
    config.head_dim = 16;
    config.vocab_size = 50;
    model_ = CausalLm::Random(config, 1, 0.1);
    ASSERT_TRUE(SaveCausalLm(*model_, root_ / "source").ok());
  }
  void TearDown() override { fs::remove_all(root_); }

  absl::Status Export(const fs::path& folder) {
    return ExportModel(*model_, {}, root_ / "source", folder, cancel_);
  }

  size_t Entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(root_), fs::directory_iterator()));
  }

  fs::path root_;
  std::unique_ptr<CausalLm> model_;
  CancelToken cancel_;
};

TEST_F(ExportFolderTest, FoldersAboveAreMade) {
  ASSERT_TRUE(Export(root_ / "a/b/export").ok());
  EXPECT_TRUE(fs::exists(root_ / "a/b/export/model.safetensors"));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "a/b"), fs::directory_iterator()), 1);
}

TEST_F(ExportFolderTest, AFolderThatExistsIsRefusedAndLeftAlone) {
  fs::create_directory(root_ / "export");
  const absl::Status status = Export(root_ / "export");
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(fs::is_empty(root_ / "export"));
  EXPECT_EQ(Entries(), 2);
}

TEST_F(ExportFolderTest, AnErrorLeavesNothingBehind) {
  fs::remove(root_ / "source/config.json");
  EXPECT_FALSE(Export(root_ / "a/export").ok());
  EXPECT_EQ(Entries(), 1);
  cancel_.Cancel(absl::AbortedError("lease lost"));
  EXPECT_EQ(Export(root_ / "a/export").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Entries(), 1);
}

}  // namespace
}  // namespace rwku::engine
