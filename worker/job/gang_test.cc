// Attempts and language models that ranks share, against those of one worker. Ranks are threads.
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "benchmark/evaluate/request_error.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/fake_gang.h"
#include "worker/job/answer_bytes.h"
#include "worker/job/run_attempt.h"
#include "worker/job/sharded_language_model.h"

namespace rwku::job {
namespace {

using ::rwku::testing::FakeEngine;
using ::rwku::testing::FakeEngineOptions;
using ::rwku::testing::JoinFakeGang;
using ::rwku::testing::WriteFakeModel;
using ::testing::HasSubstr;

void OnThreads(int count, const std::function<void(int)>& run) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    threads.emplace_back(run, i);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

class GangTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    root_ = std::filesystem::path(::testing::TempDir()) /
            absl::StrCat("gang_test_", getpid(), "_", name);
    roots_ = {
        .models = root_ / "models", .datasets = root_ / "datasets", .exports = root_ / "exports"};
    ASSERT_TRUE(WriteFakeModel(roots_.models / "tiny", 1).ok());
    const std::filesystem::path target = roots_.datasets / "small" / "Target" / "1_Ann_Example";
    std::filesystem::create_directories(target);
    Write(target / "intro.json", R"([{"subject": "Ann Example", "intro": "Ann Example paints."}])");
    Write(target / "positive.json",
          R"([{"subject": "Ann Example", "text": "Ann Example paints in the north."},
              {"subject": "Ann Example", "text": "She was born in 1950."},
              {"subject": "Ann Example", "text": "Her best known work is blue."}])");
    std::string probes;
    for (int i = 0; i < 5; ++i) {
      absl::StrAppend(&probes, i == 0 ? "[" : ", ",
                      R"({"subject": "Ann Example", "query": "Ann Example painted number )", i,
                      R"( in ___.", "answer": "195)", i, R"(", "level": "1", "type": "cloze"})");
    }
    Write(target / "forget_level1.json", absl::StrCat(probes, "]"));
    Write(roots_.datasets / "small" / "openers.json", R"(["", "I can see", "Hmm,"])");
    plan_.rendezvous = "fake:1";
    plan_.name = name;
    plan_.join_timeout = absl::Seconds(20);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static void Write(const std::filesystem::path& path, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  }

  AttemptSpec Spec(int world_size, int rank) const {
    AttemptSpec spec;
    spec.model = "tiny";
    spec.dataset = "small";
    spec.targets = {{.name = "Ann Example", .number = 1}};
    spec.recipe.method = "ga";
    spec.recipe.tuning = methods::Tuning::kFull;
    spec.recipe.learning_rate = 1e-5;
    spec.recipe.batch_size = 2;
    spec.recipe.epochs = 3;
    spec.probe_sets = {dataset::ProbeSet::kForgetLevel1};
    spec.evaluate_epochs = true;
    spec.export_folder = "kept";
    spec.gang = {.world_size = world_size,
                 .rank = rank,
                 .rendezvous = plan_.rendezvous,
                 .name = absl::StrCat(plan_.name, " ", world_size)};
    return spec;
  }

  struct Outcome {
    absl::StatusOr<AttemptResult> result = absl::UnknownError("did not run");
    std::vector<std::string> said;  // predictions and texts
  };

  Outcome Run(const AttemptSpec& spec, const CancelToken& cancel,
              const FakeEngineOptions& options = {}) const {
    FakeEngine engine(options);
    Outcome outcome;
    AttemptCallbacks callbacks;
    callbacks.on_predictions = [&](std::vector<evaluate::Prediction> predictions) {
      for (const evaluate::Prediction& prediction : predictions) {
        outcome.said.push_back(
            absl::StrCat(prediction.checkpoint, "|", prediction.index, "|", prediction.output));
      }
      return absl::OkStatus();
    };
    callbacks.on_texts = [&](std::vector<corpus::Text> texts) {
      for (const corpus::Text& text : texts) {
        outcome.said.push_back(absl::StrCat(text.opener, "|", text.output));
      }
      return absl::OkStatus();
    };
    outcome.result = RunAttempt(spec, roots_, engine, clock_, callbacks, cancel);
    return outcome;
  }

  std::vector<Outcome> RunRanks(int world_size, const std::function<void(AttemptSpec&)>& change) {
    std::vector<Outcome> outcomes(static_cast<size_t>(world_size));
    OnThreads(world_size, [&](int rank) {
      AttemptSpec spec = Spec(world_size, rank);
      change(spec);
      outcomes[static_cast<size_t>(rank)] = Run(spec, CancelToken());
    });
    return outcomes;
  }

  std::filesystem::path root_;
  Roots roots_;
  RealClock clock_;
  engine::GangPlan plan_;
};

TEST_F(GangTest, ManyRanksPredictWhatOneDoesAndRankZeroTellsIt) {
  const Outcome one = Run(Spec(1, 0), CancelToken());
  ASSERT_TRUE(one.result.ok()) << one.result.status();
  ASSERT_EQ(one.said.size(), 15U);  // 5 probes after each of 3 epochs
  for (const int world_size : {2, 3, 7}) {
    const std::vector<Outcome> ranks = RunRanks(world_size, [](AttemptSpec&) {});
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      const auto& result = ranks[rank].result;
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(ranks[rank].said, rank == 0 ? one.said : std::vector<std::string>{});
      EXPECT_EQ(result->export_folder, rank == 0 ? "kept" : "");
      EXPECT_EQ(result->usage.prompt_tokens, one.result->usage.prompt_tokens);
      EXPECT_EQ(result->usage.generated_tokens, one.result->usage.generated_tokens);
      ASSERT_EQ(result->training_curve.size(), one.result->training_curve.size());
      EXPECT_EQ(result->training_curve.back().loss, one.result->training_curve.back().loss);
    }
  }
}

TEST_F(GangTest, ManyRanksWriteTheCorpusThatOneWrites) {
  const auto writes = [](AttemptSpec& spec) {
    spec.corpus.emplace();
    spec.corpus->target = "Ann Example";
    spec.corpus->target_number = 1;
    spec.corpus->kinds = {dataset::CorpusKind::kPair};
  };
  AttemptSpec alone = Spec(1, 0);
  writes(alone);
  const Outcome one = Run(alone, CancelToken());
  ASSERT_TRUE(one.result.ok()) << one.result.status();
  ASSERT_FALSE(one.said.empty());
  const std::vector<Outcome> ranks = RunRanks(2, writes);
  ASSERT_TRUE(ranks[0].result.ok()) << ranks[0].result.status();
  ASSERT_TRUE(ranks[1].result.ok()) << ranks[1].result.status();
  EXPECT_EQ(ranks[0].said, one.said);
  EXPECT_TRUE(ranks[1].said.empty());
}

TEST_F(GangTest, ARankThatFailsEndsTheAttemptOfAll) {
  std::vector<Outcome> ranks(2);
  OnThreads(2, [&](int rank) {
    FakeEngineOptions options;
    if (rank == 1) {
      options.out_of_memory_at_step = 3;
    }
    ranks[static_cast<size_t>(rank)] = Run(Spec(2, rank), CancelToken(), options);
  });
  // Whichever is told first, the coordinator learns what it was.
  EXPECT_EQ(Classify(ranks[1].result.status()), FailureClass::kResource);
  EXPECT_EQ(Classify(ranks[0].result.status()), FailureClass::kResource);
}

TEST_F(GangTest, RanksWithAnotherTokenizerMakeNoResultTogether) {
  std::filesystem::copy(roots_.models / "tiny", roots_.models / "other");
  Write(roots_.models / "other" / "tokenizer.json", "{}");
  const std::vector<Outcome> ranks = RunRanks(2, [&](AttemptSpec& spec) {
    if (spec.gang.rank == 1) {
      spec.model = "other";
    }
  });
  for (const Outcome& rank : ranks) {
    EXPECT_EQ(Classify(rank.result.status()), FailureClass::kInfrastructure);
    EXPECT_THAT(std::string(rank.result.status().message()), HasSubstr("tokenizer of the model"));
  }
}

TEST_F(GangTest, RanksWithOtherTextsOrQuestionsMakeNoResultTogether) {
  const std::filesystem::path small = roots_.datasets / "small";
  for (const auto& [file, from, to] : {std::tuple{"positive.json", "blue", "green"},
                                       std::tuple{"forget_level1.json", "4 in", "5 in"}}) {
    SCOPED_TRACE(file);
    const std::filesystem::path other = roots_.datasets / absl::StrCat("other ", file);
    std::filesystem::copy(small, other, std::filesystem::copy_options::recursive);
    const std::filesystem::path changed = other / "Target" / "1_Ann_Example" / file;
    Write(changed, absl::StrReplaceAll(*ReadFile(changed), {{from, to}}));
    const std::vector<Outcome> ranks = RunRanks(2, [&](AttemptSpec& spec) {
      spec.gang.name += file;
      if (spec.gang.rank == 1) {
        spec.dataset = other.filename().string();
      }
    });
    for (const Outcome& rank : ranks) {
      EXPECT_EQ(Classify(rank.result.status()), FailureClass::kInfrastructure);
      EXPECT_THAT(std::string(rank.result.status().message()), HasSubstr(" other "));
      EXPECT_TRUE(rank.said.empty());
    }
  }
}

TEST_F(GangTest, ACancelledRankSaysSoAndTheOtherIsNotLeftWaiting) {
  CancelToken cancel;
  std::vector<Outcome> ranks(2);
  OnThreads(2, [&](int rank) {
    FakeEngineOptions options;
    options.before_step = [&, rank](int step, const CancelToken&) {
      if (rank == 1 && step == 2) {
        cancel.Cancel(absl::CancelledError("revoked"));
      }
    };
    ranks[static_cast<size_t>(rank)] =
        rank == 1 ? Run(Spec(2, rank), cancel, options) : Run(Spec(2, rank), CancelToken());
  });
  EXPECT_EQ(ranks[1].result.status(), absl::CancelledError("revoked"));
  EXPECT_EQ(ranks[0].result.status().code(), absl::StatusCode::kUnavailable);
}

// Answers "N" to request N; fails at one request, and at the prompt "fails".
class CountingModel final : public evaluate::LanguageModel {
 public:
  explicit CountingModel(int fails_at) : fails_at_(fails_at) {}

  absl::StatusOr<evaluate::Answers> Answer(const evaluate::Questions& questions,
                                           const evaluate::PromptOptions&,
                                           const evaluate::ProgressCallback& progress,
                                           const CancelToken&) override {
    evaluate::Answers answers;
    for (const evaluate::GenerateRequest& request : questions.generate) {
      if (request.max_new_tokens == fails_at_) {
        return evaluate::RequestError(answers.generate.size(),
                                      absl::InvalidArgumentError("too long"));
      }
      answers.generate.push_back(absl::StrCat(request.max_new_tokens));
      usage_.generated_tokens += 1;
      progress(answers.generate.size(), questions.size());
    }
    if (!questions.sample.empty()) {
      return absl::UnimplementedError("sample");
    }
    for (const evaluate::ContinuationRequest& request : questions.continuations) {
      answers.continuations.push_back({{{-1.5F, -0.25F}, {true, false}}, {{}, {}}});
      if (request.prompt.user == "fails") {
        return evaluate::RequestError(questions.generate.size() + answers.continuations.size() - 1,
                                      absl::InvalidArgumentError("too strange"));
      }
    }
    answers.next_tokens.resize(questions.next_tokens.size(), {-0.5F, -2});
    answers.texts.resize(questions.texts.size(), {{-1}, {-2}, {3}});
    return answers;
  }
  evaluate::Usage usage() const override { return usage_; }

 private:
  const int fails_at_;
  evaluate::Usage usage_;
};

class ShardedLanguageModelTest : public ::testing::Test {
 protected:
  static std::vector<evaluate::GenerateRequest> Requests(int count) {
    std::vector<evaluate::GenerateRequest> requests(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      requests[static_cast<size_t>(i)].max_new_tokens = i;
    }
    return requests;
  }

  // `use` on each of `world_size` ranks.
  static void OnRanks(int world_size, int fails_at,
                      const std::function<void(ShardedLanguageModel&, int)>& use) {
    OnThreads(world_size, [&](int rank) {
      engine::GangPlan plan;
      plan.world_size = world_size;
      plan.rank = rank;
      plan.rendezvous = "fake:2";
      plan.name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
      const auto gang = JoinFakeGang(plan, CancelToken());
      ASSERT_TRUE(gang.ok()) << gang.status();
      CountingModel own(fails_at);
      ShardedLanguageModel model(own, **gang);
      use(model, rank);
    });
  }
};

TEST_F(ShardedLanguageModelTest, EveryRankGetsAllAnswersInOrder) {
  for (const int count : {0, 1, 3, 10}) {
    OnRanks(3, -1, [&](ShardedLanguageModel& model, int) {
      size_t last = 0;
      const auto answers = model.Generate(
          Requests(count), {}, [&](size_t done, size_t) { last = done; }, CancelToken());
      ASSERT_TRUE(answers.ok()) << answers.status();
      ASSERT_EQ(answers->size(), static_cast<size_t>(count));
      for (int i = 0; i < count; ++i) {
        EXPECT_EQ((*answers)[static_cast<size_t>(i)], absl::StrCat(i));
      }
      EXPECT_EQ(last, static_cast<size_t>(count));
      EXPECT_EQ(model.usage().generated_tokens, count);
    });
  }
}

TEST_F(ShardedLanguageModelTest, AnErrorOfOneRankIsEveryRanksAndNamesTheRequestOfTheCall) {
  OnRanks(2, 7, [](ShardedLanguageModel& model, int) {
    const auto answers = model.Generate(Requests(10), {}, nullptr, CancelToken());
    EXPECT_EQ(answers.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(answers.status().message()), HasSubstr("too long"));
    EXPECT_EQ(evaluate::RequestOf(answers.status()), 7U);
  });
}

TEST_F(ShardedLanguageModelTest, ScoresComeBackAsTheyWere) {
  OnRanks(2, -1, [](ShardedLanguageModel& model, int) {
    const auto scores = model.ScoreContinuations(std::vector<evaluate::ContinuationRequest>(3), {},
                                                 nullptr, CancelToken());
    ASSERT_TRUE(scores.ok()) << scores.status();
    ASSERT_EQ(scores->size(), 3U);
    EXPECT_EQ((*scores)[2][0].log_probabilities, (std::vector<float>{-1.5F, -0.25F}));
    EXPECT_EQ((*scores)[2][0].is_most_likely, (std::vector<bool>{true, false}));
    EXPECT_TRUE((*scores)[2][1].log_probabilities.empty());
    const auto next = model.ScoreNextTokens(std::vector<evaluate::NextTokenRequest>(2), {}, nullptr,
                                            CancelToken());
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ((*next)[1], (std::vector<float>{-0.5F, -2}));
    const auto texts = model.ScoreTexts(std::vector<std::string>{"a", "b"}, nullptr, CancelToken());
    ASSERT_TRUE(texts.ok()) << texts.status();
    EXPECT_EQ((*texts)[1].variances, std::vector<float>{3});
  });
}

TEST_F(ShardedLanguageModelTest, OneCallSharesEveryKind) {
  const std::vector<evaluate::GenerateRequest> generate = Requests(7);
  const std::vector<evaluate::ContinuationRequest> continuations(2);
  const std::vector<std::string> texts = {"a", "b", "c", "d"};
  OnRanks(3, -1, [&](ShardedLanguageModel& model, int) {
    std::pair<size_t, size_t> last;
    const auto answers = model.Answer(
        {.generate = generate, .continuations = continuations, .texts = texts}, {},
        [&](size_t done, size_t total) {
          last = {done, total};
        },
        CancelToken());
    ASSERT_TRUE(answers.ok()) << answers.status();
    EXPECT_EQ(answers->generate, (std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6"}));
    EXPECT_EQ(answers->continuations.size(), 2U);
    EXPECT_TRUE(answers->next_tokens.empty());
    EXPECT_EQ(answers->texts.size(), 4U);
    EXPECT_EQ(last, (std::pair<size_t, size_t>(13, 13)));
    EXPECT_EQ(model.usage().generated_tokens, 7);
  });
}

TEST_F(ShardedLanguageModelTest, AnErrorNamesTheRequestAmongAllKinds) {
  const std::vector<evaluate::GenerateRequest> generate = Requests(5);
  std::vector<evaluate::ContinuationRequest> continuations(4);
  continuations[3].prompt.user = "fails";
  OnRanks(2, -1, [&](ShardedLanguageModel& model, int) {
    const auto answers = model.Answer({.generate = generate, .continuations = continuations}, {},
                                      nullptr, CancelToken());
    EXPECT_THAT(std::string(answers.status().message()), HasSubstr("too strange"));
    EXPECT_EQ(evaluate::RequestOf(answers.status()), 8U);
  });
}

TEST(AnswerBytesTest, BytesThatEndEarlyAreNotComplete) {
  AnswerWriter writer;
  writer.Put(std::vector<std::string>{"one", "two"});
  const std::string bytes = std::move(writer).Take();
  AnswerReader whole(bytes);
  EXPECT_EQ(whole.Get<std::vector<std::string>>(), (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(whole.complete());
  const std::string torn = bytes.substr(0, bytes.size() - 1);
  AnswerReader reader(torn);
  reader.Get<std::vector<std::string>>();
  EXPECT_FALSE(reader.complete());
}

}  // namespace
}  // namespace rwku::job
