// rwku predictions: what the model said, probe by probe.
#include <algorithm>
#include <array>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/table.h"

namespace rwku::cli {
namespace {

struct PredictionFlags {
  std::string parent;
  std::vector<std::string> targets;
  std::vector<std::string> sets;
  std::vector<std::string> types;
  std::vector<std::string> recipes;
  bool right = false;
  bool wrong = false;
  std::string text;
  size_t limit = 0;
};

// Widest question and output in a table; JSON has them whole.
constexpr int kTextWidth = 40;

std::optional<double> ScoreOf(const v1::Prediction& prediction, absl::string_view name) {
  for (const v1::Score& score : prediction.scores()) {
    if (score.name() == name && score.has_value()) {
      return score.value();
    }
  }
  return std::nullopt;
}

// The figure that the main table is made of.
std::string MainScore(const v1::Prediction& prediction) {
  constexpr std::array<const char*, 7> kNames = {
      "rouge_l_recall", "loss", "accuracy", "rea_reference", "mc1", "f1", "ngram_entropy"};
  for (const char* name : kNames) {
    if (const std::optional<double> score = ScoreOf(prediction, name); score.has_value()) {
      return absl::StrFormat("%.4f", *score);
    }
  }
  return "";
}

// The output, or the choice that the model finds most likely.
std::string Said(const v1::Prediction& prediction) {
  if (prediction.choices().empty()) {
    return prediction.output();
  }
  return std::max_element(prediction.choices().begin(), prediction.choices().end(),
                          [](const v1::Choice& a, const v1::Choice& b) {
                            return a.log_probability() < b.log_probability();
                          })
      ->text();
}

v1::PredictionFilter FilterOf(const PredictionFlags& flags) {
  v1::PredictionFilter filter;
  filter.mutable_targets()->Add(flags.targets.begin(), flags.targets.end());
  filter.mutable_probe_sets()->Add(flags.sets.begin(), flags.sets.end());
  filter.mutable_types()->Add(flags.types.begin(), flags.types.end());
  filter.mutable_recipes()->Add(flags.recipes.begin(), flags.recipes.end());
  filter.set_text(flags.text);
  if (flags.right || flags.wrong) {
    filter.set_verdict(flags.right ? v1::VERDICT_RIGHT : v1::VERDICT_WRONG);
  }
  return filter;
}

// Ends a listing early; never seen outside this file.
absl::Status Enough() { return absl::OutOfRangeError("enough"); }

int Predictions(Session& session, const PredictionFlags& flags) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const bool lines = session.globals().output == "jsonl";
  TextTable table(
      {"JOB", "METHOD", "TARGET", "SET", ">#", "TYPE", ">SCORE", "QUERY", "ANSWER", "OUTPUT"});
  size_t count = 0;
  bool enough = false;
  // One JSON document is written row by row, so that a large run needs no large memory.
  const absl::Status status = (*client)->ListPredictions(
      JobResource(flags.parent), FilterOf(flags), [&](const v1::PredictionRow& row) {
        if (flags.limit != 0 && count == flags.limit) {
          enough = true;
          return Enough();
        }
        if (lines || session.json()) {
          const absl::string_view before = lines ? "" : count == 0 ? "{\"predictions\": [\n" : ",";
          session.out() << std::string(before) << ToJson(row, /*indented=*/false);
        } else {
          const v1::Prediction& said = row.prediction();
          table.AddRow({ShortName(row.job()), row.recipe(), said.target(), said.probe_set(),
                        absl::StrCat(said.index()), said.type(), MainScore(said),
                        Shorten(OneLine(said.query()), kTextWidth),
                        Shorten(OneLine(said.answer()), kTextWidth),
                        Shorten(OneLine(Said(said)), kTextWidth)});
        }
        ++count;
        return absl::OkStatus();
      });
  if (!status.ok() && !enough) {
    return session.Fail(status);
  }
  if (session.json()) {
    session.out() << (count == 0 ? "{\"predictions\": [\n" : "") << "]}\n";
  } else if (!lines) {
    session.out() << table.Render();
  }
  return kExitDone;
}

}  // namespace

void AddPredictions(CommandTree& tree) {
  CLI::App* app =
      tree.Add("predictions", "Print what the model said to the probes",
               {"rwku predictions r0000000a --set forget_level1 --target \"Ann Example\"",
                "rwku predictions r0000000a --set forget_level3 --recipe ga --right",
                "rwku predictions r0000000a/3 --output jsonl > predictions.jsonl"},
               "Formats: table (texts shortened), json, jsonl.\n");
  auto flags = std::make_shared<PredictionFlags>();
  const auto many = [app](const char* name, std::vector<std::string>& values, const char* help) {
    app->add_option(name, values, help)->allow_extra_args(false);
  };
  app->add_option("RUN", flags->parent, "Run, or RUN/JOB")->required();
  many("--target", flags->targets, "Only this target, by name, number or range; repeatable");
  many("--set", flags->sets, "Only this probe set; repeatable");
  many("--type", flags->types, "Only this probe type; repeatable");
  many("--recipe", flags->recipes, "Only the recipe of this label; repeatable");
  CLI::Option* right =
      app->add_flag("--right", flags->right, "Only right answers: the main score is 1");
  app->add_flag("--wrong", flags->wrong, "Only wrong answers")->excludes(right);
  app->add_option("--text", flags->text, "Only where question, answer or output holds this text");
  app->add_option("--limit", flags->limit, "At most this many (default: all)");
  Command command;
  command.formats = {"table", "json", "jsonl"};
  command.run = [flags](Session& session) { return Predictions(session, *flags); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
