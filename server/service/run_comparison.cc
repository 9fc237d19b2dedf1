#include "server/service/run_comparison.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "base/near_match.h"
#include "base/status_macros.h"
#include "net/status.h"
#include "server/service/names.h"

namespace rwku::service {
namespace {

// Positions of the two rows of a comparison.
using Pair = std::pair<size_t, size_t>;

std::vector<std::string> LabelsOf(const report::Report& report) {
  std::vector<std::string> labels;
  for (const report::ReportRow& row : report::FindTable(report, "main")->rows) {
    labels.push_back(row.label);
  }
  return labels;
}

std::optional<size_t> Find(const std::vector<std::string>& labels, const std::string& label) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == label) {
      return i;
    }
  }
  return std::nullopt;
}

absl::Status UnknownLabel(const std::string& field, const std::string& label,
                          const std::vector<std::string>& labels) {
  return net::InvalidFields({{field, UnknownNameMessage("recipe", label, labels)}});
}

absl::StatusOr<std::vector<Pair>> PairsOf(const RunCopy& base, const RunCopy& other,
                                          const std::vector<std::string>& base_labels,
                                          const std::vector<std::string>& other_labels,
                                          const std::string& base_recipe,
                                          const std::string& other_recipe) {
  if (base_recipe.empty() != other_recipe.empty()) {
    return net::InvalidFields({{base_recipe.empty() ? "base_recipe" : "other_recipe",
                                "found none, but the other one is named; name both or none"}});
  }
  if (!base_recipe.empty()) {
    const std::optional<size_t> first = Find(base_labels, base_recipe);
    const std::optional<size_t> second = Find(other_labels, other_recipe);
    if (!first) {
      return UnknownLabel("base_recipe", base_recipe, base_labels);
    }
    if (!second) {
      return UnknownLabel("other_recipe", other_recipe, other_labels);
    }
    return std::vector<Pair>{{*first, *second}};
  }
  if (base.run == other.run) {
    return net::InvalidFields(
        {{"other", absl::StrCat("is the same run as base; name two of its recipes: ",
                                absl::StrJoin(base_labels, ", "))}});
  }
  std::vector<Pair> pairs;
  for (size_t i = 0; i < base_labels.size(); ++i) {
    if (const std::optional<size_t> match = Find(other_labels, base_labels[i])) {
      pairs.emplace_back(i, *match);
    }
  }
  if (pairs.empty() && base_labels.size() == 1 && other_labels.size() == 1) {
    pairs.emplace_back(0, 0);
  }
  if (pairs.empty()) {
    return net::InvalidFields(
        {{"other",
          absl::StrCat("no recipe of ", RunName(other.run), " (", absl::StrJoin(other_labels, ", "),
                       ") is one of ", RunName(base.run), " (", absl::StrJoin(base_labels, ", "),
                       "); name the two to compare")}});
  }
  return pairs;
}

}  // namespace

absl::StatusOr<std::vector<report::Comparison>> CompareRows(
    store::Store* store, const RunCopy& base, const RunCopy& other, const std::string& base_recipe,
    const std::string& other_recipe, const std::function<bool()>& cancelled) {
  RWKU_ASSIGN_OR_RETURN(const report::Report first, BuildReport(store, "", {base}, cancelled));
  std::optional<report::Report> loaded;
  if (base.run != other.run) {
    RWKU_ASSIGN_OR_RETURN(loaded, BuildReport(store, "", {other}, cancelled));
  }
  const report::Report& second = loaded ? *loaded : first;
  RWKU_ASSIGN_OR_RETURN(
      const std::vector<Pair> pairs,
      PairsOf(base, other, LabelsOf(first), LabelsOf(second), base_recipe, other_recipe));
  std::vector<report::Comparison> comparisons;
  comparisons.reserve(pairs.size());
  for (const auto& [i, j] : pairs) {
    comparisons.push_back(report::Compare(first.targets[i], second.targets[j]));
  }
  return comparisons;
}

}  // namespace rwku::service
