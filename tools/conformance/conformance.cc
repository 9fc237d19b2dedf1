#include "tools/conformance/conformance.h"

#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status_macros.h"
#include "benchmark/metrics/bbh.h"
#include "benchmark/metrics/entropy.h"
#include "benchmark/metrics/membership.h"
#include "benchmark/metrics/rouge.h"
#include "benchmark/metrics/squad.h"
#include "benchmark/metrics/text.h"

namespace rwku::conformance {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return sum / static_cast<double>(values.size());
}

// One result file under check.
class Checker {
 public:
  Checker(std::string file, const Options& options, Findings* findings)
      : file_(std::move(file)), options_(options), findings_(*findings) {}

  void Add(std::string name, const json& reference, std::optional<double> ours) {
    findings_.figures.push_back({file_, std::move(name), reference.get<double>(), ours});
  }
  void AddMean(std::string name, const json& reference, const std::vector<double>& values) {
    Add(std::move(name), reference,
        values.empty() ? std::nullopt : std::optional<double>(Mean(values)));
  }

  void CheckProbes(const json& document);
  void CheckTexts(const json& document);
  void CheckMmlu(const json& document);
  void CheckBbh(const json& document);
  void CheckTruthful(const json& document);
  void CheckTrivia(const json& document);
  void CheckFluency(const json& document);

 private:
  const std::string file_;
  const Options& options_;
  Findings& findings_;
};

// Of forget and neighbor files.
void Checker::CheckProbes(const json& document) {
  struct Sums {
    std::vector<double> recall;
    std::vector<double> precision;
    std::vector<double> f1;
  };
  const std::map<std::string, std::function<metrics::Rouge(absl::string_view, absl::string_view)>>
      kinds = {{"rouge-1", [](auto h, auto r) { return metrics::RougeN(h, r, 1); }},
               {"rouge-2", [](auto h, auto r) { return metrics::RougeN(h, r, 2); }},
               {"rouge-l", metrics::RougeL}};
  std::map<std::string, std::map<std::string, Sums>> levels;
  for (const json& record : document.at("results")) {
    const std::string prediction = record.at("prediction").get<std::string>();
    const std::string answer = record.at("answer").get<std::string>();
    for (const auto& [kind, rouge] : kinds) {
      const metrics::Rouge scores =
          rouge(metrics::IsBlank(prediction) ? "NOANSWER" : prediction, answer);
      Sums& sums = levels[record.at("level").get<std::string>()][kind];
      sums.recall.push_back(scores.recall);
      sums.precision.push_back(scores.precision);
      sums.f1.push_back(scores.f1);
    }
  }
  for (const auto& [level, by_kind] : levels) {
    const std::string key = absl::StrCat("level_", level, "_rouge");
    AddMean(absl::StrCat(key, "_l_r"), document.at(absl::StrCat(key, "_l_r")),
            by_kind.at("rouge-l").recall);
    for (const auto& [kind, sums] : by_kind) {
      const json& reference = document.at(key).at(kind);
      AddMean(absl::StrCat(key, " ", kind, " recall"), reference.at("r"), sums.recall);
      AddMean(absl::StrCat(key, " ", kind, " precision"), reference.at("p"), sums.precision);
      AddMean(absl::StrCat(key, " ", kind, " f1"), reference.at("f"), sums.f1);
    }
  }
}

void Checker::CheckTexts(const json& document) {
  const json& results = document.at("results");
  const auto losses = results.at("loss").get<std::vector<double>>();
  AddMean("loss", document.at("loss"), losses);
  // Under the key mink20 stands Min-K%++.
  AddMean("mink20 (Min-K%++ of 20 %)", document.at("mink20"),
          results.at("mink++_0.2").get<std::vector<double>>());
  if (!options_.texts) {
    findings_.unchecked.push_back(absl::StrCat(file_, ": zlib; it needs the texts (--dataset)"));
    return;
  }
  const absl::StatusOr<std::string> contents = ReadFile(*options_.texts / file_);
  const json texts = json::parse(contents.ok() ? *contents : "[]");
  if (texts.size() != losses.size()) {
    findings_.unchecked.push_back(absl::StrCat(file_, ": zlib; ", losses.size(), " losses, but ",
                                               texts.size(), " texts in ",
                                               (*options_.texts / file_).string()));
    return;
  }
  std::vector<double> scores;
  for (size_t i = 0; i < losses.size(); ++i) {
    const std::string text = texts[i].at("text").get<std::string>();
    scores.push_back(losses[i] / static_cast<double>(metrics::CompressedLength(text)));
    Add(absl::StrCat("zlib of text ", i), results.at("zlib")[i], scores.back());
  }
  AddMean("zlib", document.at("zlib"), scores);
}

void Checker::CheckMmlu(const json& document) {
  std::vector<double> right;
  for (const json& record : document.at("results")) {
    right.push_back(record.at("prediction") == record.at("answer") ? 1 : 0);
    const json& reference = document.at("all_acc").at(right.size() - 1);
    Add(absl::StrCat("all_acc of item ", right.size() - 1), json(reference.get<bool>() ? 1.0 : 0.0),
        right.back());
  }
  AddMean("acc", document.at("acc"), right);
}

void Checker::CheckBbh(const json& document) {
  std::vector<double> scores;
  size_t extracted = 0;
  for (const json& record : document.at("results")) {
    const std::string answer =
        metrics::ExtractBbhAnswer(record.at("raw_output").get<std::string>());
    extracted += answer == record.at("prediction").get<std::string>() ? 1 : 0;
    const json& reference = record.at("answer");
    const std::optional<double> score =
        reference.is_string() ? metrics::ReaReference(answer, reference.get<std::string>())
                              : metrics::ReaEm(answer, reference.get<std::vector<std::string>>());
    scores.push_back(score.value_or(std::nan("")));
  }
  Add("answers extracted alike", json(static_cast<double>(document.at("results").size())),
      static_cast<double>(extracted));
  AddMean("EM (rea_reference)", document.at("EM"), scores);
}

void Checker::CheckTruthful(const json& document) {
  std::vector<double> mc1;
  std::vector<double> mc2;
  for (const json& record : document.at("results")) {
    mc1.push_back(record.at("MC1").get<double>());
    mc2.push_back(record.at("MC2").get<double>());
  }
  AddMean("MC1", document.at("MC1"), mc1);
  AddMean("MC2", document.at("MC2"), mc2);
}

void Checker::CheckTrivia(const json& document) {
  std::vector<double> exact;
  std::vector<double> f1;
  for (const json& record : document.at("results")) {
    const std::string prediction = record.at("prediction").get<std::string>();
    const auto answers = record.at("answers").get<std::vector<std::string>>();
    exact.push_back(metrics::ExactMatch(prediction, answers).value_or(std::nan("")));
    f1.push_back(metrics::TokenF1(prediction, answers).value_or(std::nan("")));
  }
  AddMean("EM", document.at("EM"), exact);
  AddMean("F1", document.at("F1"), f1);
}

void Checker::CheckFluency(const json& document) {
  std::vector<double> entropies;
  for (const json& record : document.at("results")) {
    entropies.push_back(
        metrics::NgramEntropy(options_.words.Tokenize(record.at("prediction").get<std::string>())));
  }
  AddMean("entropy", document.at("entropy"), entropies);
}

}  // namespace

bool Agrees(const Figure& figure) {
  return figure.ours.has_value() && std::abs(*figure.ours - figure.reference) <= kTolerance;
}

absl::StatusOr<Findings> Check(const fs::path& folder, const Options& options) {
  using Method = void (Checker::*)(const json&);
  static constexpr std::pair<const char*, Method> kFiles[] = {
      {"forget.json", &Checker::CheckProbes},     {"neighbor.json", &Checker::CheckProbes},
      {"forget_mia.json", &Checker::CheckTexts},  {"retain_mia.json", &Checker::CheckTexts},
      {"mmlu.json", &Checker::CheckMmlu},         {"bbh.json", &Checker::CheckBbh},
      {"truthful.json", &Checker::CheckTruthful}, {"triviaqa.json", &Checker::CheckTrivia},
      {"fluency.json", &Checker::CheckFluency}};
  Findings findings;
  size_t found = 0;
  for (const auto& [file, check] : kFiles) {
    const fs::path path = folder / file;
    std::error_code error;
    if (!fs::exists(path, error)) {
      findings.unchecked.push_back(absl::StrCat(file, ": not there"));
      continue;
    }
    ++found;
    RWKU_ASSIGN_OR_RETURN(const std::string contents, ReadFile(path));
    try {
      Checker checker(file, options, &findings);
      (checker.*check)(json::parse(contents));
    } catch (const json::exception& problem) {
      return absl::InvalidArgumentError(
          absl::StrCat(path.string(), " is no result file of the reference: ", problem.what()));
    }
  }
  if (found == 0) {
    return absl::NotFoundError(
        absl::StrCat(folder.string(),
                     " holds no result file (forget.json, neighbor.json, forget_mia.json, "
                     "retain_mia.json, mmlu.json, bbh.json, truthful.json, triviaqa.json, "
                     "fluency.json)"));
  }
  return findings;
}

}  // namespace rwku::conformance
