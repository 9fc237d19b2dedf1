#include "benchmark/report/columns.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "benchmark/dataset/probe_type.h"

namespace rwku::report {
namespace {

using ::rwku::dataset::ProbeSet;
using Sets = std::vector<ProbeSet>;

constexpr double kPercent = 100.0;
constexpr int kLargestShare = 100;
constexpr int kShareStep = 10;

Sets ForgetSets() {
  return {ProbeSet::kForgetLevel1, ProbeSet::kForgetLevel2, ProbeSet::kForgetLevel3};
}

Sets NeighborSets() { return {ProbeSet::kNeighborLevel1, ProbeSet::kNeighborLevel2}; }

ColumnSpec Figure(std::string key, std::string title, std::string group, bool higher_is_better,
                  absl::string_view score, Sets sets, double factor = kPercent) {
  return {{std::move(key), std::move(title), std::move(group), higher_is_better},
          std::string(score),
          factor,
          std::move(sets)};
}

TableSpec MainTable() {
  TableSpec table{
      std::string(kMainTable),
      "Main results",
      "Forget and Neighbor are ROUGE-L recall on fill-in-the-blank (FB), question (QA) "
      "and adversarial (AA) probes; FM and RM the mean negative log-likelihood of texts "
      "about the target and about others; Gen MMLU accuracy, Rea BBH as the reference "
      "scores it, Tru TruthfulQA MC1, Fac TriviaQA F1, Flu weighted n-gram entropy. All "
      "figures x100: mean over the probes of a target, then over targets.",
      {}};
  // The score "loss" is minus the mean negative log-likelihood; the paper prints the latter.
  table.columns = {
      Figure("forget_fb", "FB", "Forget", false, kRecallScore, {ProbeSet::kForgetLevel1}),
      Figure("forget_qa", "QA", "Forget", false, kRecallScore, {ProbeSet::kForgetLevel2}),
      Figure("forget_aa", "AA", "Forget", false, kRecallScore, {ProbeSet::kForgetLevel3}),
      Figure("forget_all", "All", "Forget", false, kRecallScore, ForgetSets()),
      Figure("neighbor_fb", "FB", "Neighbor", true, kRecallScore, {ProbeSet::kNeighborLevel1}),
      Figure("neighbor_qa", "QA", "Neighbor", true, kRecallScore, {ProbeSet::kNeighborLevel2}),
      Figure("neighbor_all", "All", "Neighbor", true, kRecallScore, NeighborSets()),
      Figure("mia_forget", "FM", "MIA", true, "loss", {ProbeSet::kForgetMia}, -kPercent),
      Figure("mia_retain", "RM", "MIA", false, "loss", {ProbeSet::kRetainMia}, -kPercent),
      Figure("gen", "Gen", "Utility", true, "accuracy", {ProbeSet::kMmlu}),
      Figure("rea", "Rea", "Utility", true, "rea_reference", {ProbeSet::kBbh}),
      Figure("tru", "Tru", "Utility", true, "mc1", {ProbeSet::kTruthfulQa}),
      Figure("fac", "Fac", "Utility", true, "f1", {ProbeSet::kTriviaQa}),
      Figure("flu", "Flu", "Utility", true, "ngram_entropy", {ProbeSet::kFluency})};
  return table;
}

// Adds a column for each membership score.
void AddMembershipScores(const std::string& prefix, bool higher_is_better, const Sets& sets,
                         bool is_auc, std::vector<ColumnSpec>& columns) {
  const auto add = [&](absl::string_view score, std::string title, std::string group) {
    ColumnSpec column = Figure(absl::StrCat(prefix, "_", score), std::move(title), std::move(group),
                               higher_is_better, score, sets);
    column.is_auc = is_auc;
    columns.push_back(std::move(column));
  };
  add("loss", "LOSS", "");
  add("zlib", "Zlib", "");
  if (!is_auc) {
    columns.back().column.decimals = 3;  // a log-likelihood a compressed byte is small
  }
  for (const auto& [score, group] :
       {std::pair("min_k_", "Min-K%, k ="), std::pair("min_k_plus_plus_", "Min-K%++, k =")}) {
    for (int k = kShareStep; k <= kLargestShare; k += kShareStep) {
      add(absl::StrCat(score, k), absl::StrCat(k), group);
    }
  }
}

TableSpec MembershipTable(const std::string& key, std::string title, std::string caption,
                          bool higher_is_better, const Sets& sets, bool is_auc) {
  TableSpec table{key, std::move(title), std::move(caption), {}};
  AddMembershipScores(key, higher_is_better, sets, is_auc, table.columns);
  return table;
}

TableSpec UtilityTable() {
  TableSpec table{"utility",
                  "Utility in detail",
                  "Rea (reference) takes the maximum over the characters of the answer, as the "
                  "published figures do; Rea (EM) compares the whole answer.",
                  {}};
  table.columns = {
      Figure("gen_accuracy", "Accuracy", "Gen (MMLU)", true, "accuracy", {ProbeSet::kMmlu}),
      Figure("rea_reference", "Reference", "Rea (BBH)", true, "rea_reference", {ProbeSet::kBbh}),
      Figure("rea_em", "EM", "Rea (BBH)", true, "rea_em", {ProbeSet::kBbh}),
      Figure("tru_mc1", "MC1", "Tru (TruthfulQA)", true, "mc1", {ProbeSet::kTruthfulQa}),
      Figure("tru_mc2", "MC2", "Tru (TruthfulQA)", true, "mc2", {ProbeSet::kTruthfulQa}),
      Figure("fac_em", "EM", "Fac (TriviaQA)", true, "exact_match", {ProbeSet::kTriviaQa}),
      Figure("fac_f1", "F1", "Fac (TriviaQA)", true, "f1", {ProbeSet::kTriviaQa}),
      Figure("flu_entropy", "Entropy", "Flu", true, "ngram_entropy", {ProbeSet::kFluency})};
  return table;
}

TableSpec DegeneracyTable() {
  TableSpec table{
      "degeneracy",
      "Degenerate outputs",
      "Share of outputs (%) that are blank, punctuation only, or one n-gram repeated. A "
      "broken model scores low on forget probes too: read Forget together with this.",
      {}};
  const auto add = [&](absl::string_view key, std::string title, std::string group, ProbeSet set) {
    table.columns.push_back(Figure(absl::StrCat("degenerate_", key), std::move(title),
                                   std::move(group), false, "degenerate", {set}));
  };
  add("forget_fb", "FB", "Forget", ProbeSet::kForgetLevel1);
  add("forget_qa", "QA", "Forget", ProbeSet::kForgetLevel2);
  add("forget_aa", "AA", "Forget", ProbeSet::kForgetLevel3);
  add("neighbor_fb", "FB", "Neighbor", ProbeSet::kNeighborLevel1);
  add("neighbor_qa", "QA", "Neighbor", ProbeSet::kNeighborLevel2);
  add("rea", "Rea", "Utility", ProbeSet::kBbh);
  add("fac", "Fac", "Utility", ProbeSet::kTriviaQa);
  add("flu", "Flu", "Utility", ProbeSet::kFluency);
  return table;
}

TableSpec MemorizationTable() {
  TableSpec table{"memorization",
                  "What the weights still hold",
                  "Of the reference answer: its probability, the share of its tokens that are the "
                  "most likely ones, and how much of its end the model restores. n = neighbor "
                  "probes, where higher is better. x100.",
                  {}};
  const auto add = [&](absl::string_view score, const std::string& group) {
    const auto column = [&](absl::string_view key, std::string title, bool higher_is_better,
                            ProbeSet set) {
      table.columns.push_back(Figure(absl::StrCat(score, "_", key), std::move(title), group,
                                     higher_is_better, score, {set}));
    };
    column("forget_fb", "FB", false, ProbeSet::kForgetLevel1);
    column("forget_qa", "QA", false, ProbeSet::kForgetLevel2);
    column("forget_aa", "AA", false, ProbeSet::kForgetLevel3);
    column("neighbor_fb", "nFB", true, ProbeSet::kNeighborLevel1);
    column("neighbor_qa", "nQA", true, ProbeSet::kNeighborLevel2);
  };
  add("answer_probability", "Answer probability");
  add("exact_memorization", "Exact memorization");
  add("extraction_strength", "Extraction strength");
  return table;
}

}  // namespace

std::vector<TableSpec> TableSpecs() {
  return {
      MainTable(),
      {std::string(kAttackTable),
       "Attack types",
       "ROUGE-L recall x100 of the adversarial forget probes by attack; lower is more forgotten.",
       {}},
      MembershipTable("mia_forget", "Membership scores of texts about the target",
                      "Natural scores x100; lower is less memorised.", false,
                      {ProbeSet::kForgetMia}, false),
      MembershipTable("mia_retain", "Membership scores of texts about others",
                      "Natural scores x100; they should stay as before unlearning.", true,
                      {ProbeSet::kRetainMia}, false),
      MembershipTable(
          "mia_auc", "Membership AUC, target against others",
          "x100: how often a text about the target scores above one about others; 50 is "
          "chance. Within a target, then mean over targets.",
          false, {ProbeSet::kForgetMia, ProbeSet::kRetainMia}, true),
      UtilityTable(),
      DegeneracyTable(),
      MemorizationTable()};
}

std::vector<ReportColumn> SummaryColumns() {
  std::vector<ReportColumn> columns;
  for (ColumnSpec& spec : MainTable().columns) {
    columns.push_back(std::move(spec.column));
  }
  return columns;
}

std::vector<std::string> AttackTypes() {
  std::vector<std::string> types;
  for (const absl::string_view type :
       {dataset::kPrefixInjection, dataset::kAffirmativeSuffix, dataset::kRolePlaying,
        dataset::kMultipleChoice, dataset::kReverseQuery, dataset::kSynonymManipulation,
        dataset::kBackgroundHint, dataset::kIncontextLearning, dataset::kCrossLingual}) {
    types.emplace_back(type);
  }
  return types;
}

ReportColumn AttackColumn(absl::string_view type) {
  std::string title(type);
  if (!title.empty()) {
    title[0] = absl::ascii_toupper(static_cast<unsigned char>(title[0]));
  }
  return {absl::StrCat("attack_", absl::StrReplaceAll(type, {{" ", "_"}})), std::move(title), "",
          false};
}

}  // namespace rwku::report
