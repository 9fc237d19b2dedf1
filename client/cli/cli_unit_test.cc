// The parts of the command line that need no server.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/progress_model.h"
#include "client/cli/progress_view.h"
#include "client/cli/recipe_syntax.h"
#include "client/cli/table.h"
#include "client/cli/target_list.h"

namespace rwku::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RecipeSyntaxTest, NameAloneLeavesEveryDefaultToTheServer) {
  const auto recipe = ParseRecipe("ga");
  ASSERT_TRUE(recipe.ok());
  EXPECT_EQ(recipe->ShortDebugString(), "method: \"ga\"");
}

TEST(RecipeSyntaxTest, EveryKeySetsItsField) {
  const auto recipe = ParseRecipe(
      "npo:lora,lr=1e-5,batch=2,accumulation=4,epochs=3,warmup=0,beta=0.1,clip=2,cutoff=256,"
      "max-texts=7,label=mine,rank=4,alpha=8,modules=q_proj+k_proj");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_EQ(recipe->tuning(), v1::TUNING_KIND_LORA);
  EXPECT_EQ(recipe->learning_rate(), 1e-5);
  EXPECT_EQ(recipe->batch_size(), 2);
  EXPECT_EQ(recipe->accumulation(), 4);
  EXPECT_EQ(recipe->epochs(), 3);
  EXPECT_TRUE(recipe->has_warmup_steps());
  EXPECT_EQ(recipe->beta(), 0.1);
  EXPECT_EQ(recipe->max_gradient_norm(), 2);
  EXPECT_EQ(recipe->cutoff_tokens(), 256);
  EXPECT_EQ(recipe->max_texts(), 7);
  EXPECT_EQ(RecipeName(*recipe), "mine");
  EXPECT_EQ(recipe->lora().rank(), 4);
  EXPECT_EQ(recipe->lora().alpha(), 8);
  EXPECT_THAT(recipe->lora().target_modules(), ElementsAre("q_proj", "k_proj"));
}

TEST(RecipeSyntaxTest, ARecipeIsWrittenAsItIsRead) {
  for (const char* text : {"original", "ga:full,lr=6e-08,epochs=3,warmup=0",
                           "npo:lora,beta=0.1,label=mine,rank=4,alpha=8,modules=q_proj+k_proj",
                           "rmu:partial,strength=2,layer=3,layers=0-4,gamma=2,retain=hidden,"
                           "retain-weight=3,retain-from=neighbors",
                           "satimp:full,beta2=2", "simnpo,margin=1"}) {
    EXPECT_EQ(RecipeText(*ParseRecipe(text)), text);
  }
}

struct BadRecipe {
  const char* name;
  const char* text;
  const char* message;
};

class BadRecipeTest : public ::testing::TestWithParam<BadRecipe> {};

TEST_P(BadRecipeTest, IsRefusedWithTheReason) {
  const auto recipe = ParseRecipe(GetParam().text);
  EXPECT_TRUE(absl::IsInvalidArgument(recipe.status()));
  EXPECT_THAT(std::string(recipe.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadRecipeTest,
    ::testing::Values(BadRecipe{"NoName", ":lora", "name of the method is missing"},
                      BadRecipe{"Tuning", "ga:half", "allowed: full, lora, partial"},
                      BadRecipe{"NoValue", "ga,lr", "not of the form key=value"},
                      BadRecipe{"EmptyValue", "ga,lr=", "lr has no value"},
                      BadRecipe{"NearKey", "ga,epoch=3", "epochs"},
                      BadRecipe{"NoNumber", "ga,lr=fast", "lr=fast is not a number"},
                      BadRecipe{"Infinite", "ga,lr=inf", "not a number"},
                      BadRecipe{"NotWhole", "ga,epochs=1.5", "not a whole number"},
                      BadRecipe{"Twice", "ga,lr=1,learning_rate=2", "given twice"},
                      BadRecipe{"Choice", "kl,retain=some", "allowed: none, nll, kl, hidden"},
                      BadRecipe{"RankOfFull", "ga:full,rank=4", "write ga:lora"}),
    [](const auto& info) { return info.param.name; });

TEST(ParseListTest, QuotesKeepCommasTogether) {
  EXPECT_THAT(*ParseList("--targets", R"(1-10, "King, Stephen" ,"a ""b""")"),
              ElementsAre("1-10", "King, Stephen", "a \"b\""));
}

TEST(ParseListTest, EmptyEntriesAndOpenQuotesAreRefused) {
  for (const char* text : {"", "1,", ",1", "\"a", "\"a\"b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseList("--targets", text).status())) << text;
  }
}

TEST(ParseSeedsTest, TakesNumbersAndRanges) {
  EXPECT_THAT(*ParseSeeds("42,1-3"), ElementsAre(42, 1, 2, 3));
  EXPECT_FALSE(ParseSeeds("3-1").ok());
  EXPECT_FALSE(ParseSeeds("x").ok());
  EXPECT_FALSE(ParseSeeds("0-18446744073709551615").ok());
}

TEST(TextTableTest, AlignsColumnsAndKeepsControlCharactersOut) {
  TextTable table({"NAME", ">N"});
  table.AddRow({"a\033[2Jb\nc", "7"});
  table.AddRow({"", "12"});
  EXPECT_EQ(table.Render(),
            "NAME       N\n"
            "a?[2Jb c   7\n"
            "-         12\n");
}

TEST(ShortenTest, CutsAtCharacters) {
  EXPECT_EQ(Shorten("Ångström", 6), "Ång...");
  EXPECT_EQ(Shorten("Ångström", 8), "Ångström");
}

TEST(ExitCodeTest, FollowsTheStatus) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 3);
  EXPECT_EQ(ExitCodeOf(v1::RUN_STATE_SUCCEEDED), 0);
  EXPECT_EQ(ExitCodeOf(v1::RUN_STATE_FAILED), 1);
  EXPECT_EQ(ExitCodeOf(v1::RUN_STATE_CANCELLED), 1);
}

TEST(FormatTest, NamesOfResourcesAreShortBothWays) {
  EXPECT_EQ(ShortName("runs/r1/jobs/3"), "r1/3");
  EXPECT_EQ(JobResource("r1/3"), "runs/r1/jobs/3");
  EXPECT_EQ(JobResource("runs/r1/jobs/3"), "runs/r1/jobs/3");
  EXPECT_EQ(JobResource("r1"), "runs/r1");
  EXPECT_EQ(cli::FormatDuration(absl::Seconds(185)), "3m 05s");
}

v1::RunEvent JobEvent(uint64_t revision, int job, v1::JobState state, int start, int end) {
  v1::RunEvent event;
  event.set_revision(revision);
  v1::Job& change = *event.mutable_job();
  change.set_name("runs/r1/jobs/" + std::to_string(job));
  change.set_target("Ann");
  change.mutable_recipe()->set_method("ga");
  change.set_seed(42);
  change.set_state(state);
  change.set_fencing_token(state == v1::JOB_STATE_QUEUED ? 0 : job);
  change.set_attempts(1);
  change.set_worker("workers/w0");
  if (start > 0) {
    change.mutable_start_time()->set_seconds(start);
  }
  if (end > 0) {
    change.mutable_end_time()->set_seconds(end);
  }
  return event;
}

v1::RunEvent RunningRun(int jobs) {
  v1::RunEvent event;
  event.set_revision(1);
  event.mutable_run()->set_name("runs/r1");
  event.mutable_run()->mutable_spec()->set_model("tiny");
  event.mutable_run()->set_state(v1::RUN_STATE_RUNNING);
  event.mutable_run()->mutable_jobs()->set_queued(jobs);
  return event;
}

TEST(ProgressModelTest, CountsAndEstimatesFromFinishedJobs) {
  ProgressModel model;
  EXPECT_TRUE(model.Apply(RunningRun(4)));
  EXPECT_EQ(model.last_change(), "run r1: running (4 queued)");
  EXPECT_FALSE(model.Remaining(absl::FromUnixSeconds(100)).has_value());
  EXPECT_TRUE(model.Apply(JobEvent(2, 1, v1::JOB_STATE_LEASED, 100, 0)));
  EXPECT_TRUE(model.Apply(JobEvent(3, 1, v1::JOB_STATE_SUCCEEDED, 100, 110)));
  EXPECT_EQ(model.last_change(), "1  Ann  ga  seed 42: succeeded in 10s");
  // The only worker has not taken its next job yet: 10 s for each of the three that wait.
  EXPECT_EQ(*model.Remaining(absl::FromUnixSeconds(110)), absl::Seconds(30));
  EXPECT_TRUE(model.Apply(JobEvent(4, 2, v1::JOB_STATE_LEASED, 110, 0)));
  EXPECT_EQ(model.counts().queued(), 2);
  // 6 s of the running job, 10 s for each of the two that wait.
  EXPECT_EQ(*model.Remaining(absl::FromUnixSeconds(114)), absl::Seconds(26));
}

TEST(ProgressModelTest, WaitingJobsAreSharedByAsManyAsRanWhenTheNewestStarted) {
  ProgressModel model;
  model.Apply(RunningRun(6));
  model.Apply(JobEvent(2, 1, v1::JOB_STATE_LEASED, 100, 0));
  model.Apply(JobEvent(3, 2, v1::JOB_STATE_LEASED, 100, 0));
  model.Apply(JobEvent(4, 1, v1::JOB_STATE_SUCCEEDED, 100, 110));
  model.Apply(JobEvent(5, 2, v1::JOB_STATE_SUCCEEDED, 100, 110));
  EXPECT_EQ(*model.Remaining(absl::FromUnixSeconds(110)), absl::Seconds(20));
}

TEST(ProgressModelTest, ProgressOfAReplacedAttemptIsLeftOut) {
  ProgressModel model;
  model.Apply(RunningRun(1));
  model.Apply(JobEvent(2, 1, v1::JOB_STATE_LEASED, 100, 0));
  v1::RunEvent progress;
  progress.mutable_progress()->set_job("runs/r1/jobs/1");
  progress.mutable_progress()->set_fencing_token(99);
  EXPECT_FALSE(model.Apply(progress));
  EXPECT_FALSE(model.running().front()->progress.has_value());
}

TEST(ProgressViewTest, FitsEightyColumns) {
  ProgressModel model;
  model.Apply(RunningRun(3));
  model.Apply(JobEvent(2, 1, v1::JOB_STATE_LEASED, 100, 0));
  v1::RunEvent event;
  v1::JobProgressEvent& progress = *event.mutable_progress();
  progress.set_job("runs/r1/jobs/1");
  progress.set_fencing_token(1);
  progress.mutable_progress()->set_stage("unlearn");
  progress.mutable_progress()->set_done(3);
  progress.mutable_progress()->set_total(12);
  progress.mutable_progress()->set_loss(-2.5);
  model.Apply(event);
  EXPECT_THAT(RenderProgress(model, absl::FromUnixSeconds(105), ViewOptions()),
              ElementsAre("run r1  tiny", "[..............................] 0/3 jobs  1 running",
                          "  Ann                  ga           unlearn  [##........] 3/12 loss "
                          "-2.5 w0"));
}

}  // namespace
}  // namespace rwku::cli
