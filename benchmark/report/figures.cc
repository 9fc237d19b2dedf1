#include "benchmark/report/figures.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "benchmark/report/exact_sum.h"
#include "benchmark/report/svg.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr double kMostRecall = 100;

// A horizontal scale for recall, 0..100.
struct Scale {
  double left;
  double width;
  double Place(double value) const {
    return left + width * std::clamp(value, 0.0, kMostRecall) / kMostRecall;
  }
};

std::string Panel(const ReportTable& table, size_t row_number, const std::string& label, int series,
                  const ReportRow* original) {
  constexpr double kWidth = 330;
  constexpr double kTop = 30;
  constexpr double kStep = 21;
  constexpr double kBar = 12;
  constexpr Scale kScale{148, 134};
  const ReportRow& row = table.rows[row_number];
  const double bottom = kTop + kStep * static_cast<double>(table.columns.size());
  std::string description;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    absl::StrAppend(&description, table.columns[i].title, " ", FigureText(row.cells[i].value, 1),
                    ". ");
  }
  Svg svg(kWidth, bottom + 22, absl::StrCat("attacks-", row_number),
          absl::StrCat("Recall by attack type: ", label), description);
  const SeriesStyle style = StyleOfSeries(series);
  svg.Marker(style, 8, 13, 5.5, "");
  svg.Text("panel-title", 20, 18, "start", label);
  for (const double tick : {0.0, 50.0, 100.0}) {
    svg.Line("grid", kScale.Place(tick), kTop - 3, kScale.Place(tick), bottom);
    svg.Text("tick", kScale.Place(tick), bottom + 15, "middle", FigureText(tick, 0));
  }
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const ReportCell& cell = row.cells[i];
    const double y = kTop + kStep * static_cast<double>(i) + kStep / 2;
    svg.Text("bar-label", kScale.left - 7, y + 4, "end", table.columns[i].title);
    svg.Text("bar-value", kWidth - 2, y + 4, "end", FigureText(cell.value, 1));
    if (!cell.value) {
      continue;
    }
    svg.Rect(absl::StrCat("bar s", style.color, style.hollow ? " hollow" : ""), kScale.left,
             y - kBar / 2, kScale.Place(*cell.value) - kScale.left, kBar);
    if (cell.low && cell.high) {
      svg.Line("bar-interval", kScale.Place(*cell.low), y, kScale.Place(*cell.high), y);
    }
    if (original != nullptr && original != &row && original->cells[i].value) {
      const double at = kScale.Place(*original->cells[i].value);
      svg.Line("before", at, y - kBar / 2 - 3, at, y + kBar / 2 + 3);
    }
  }
  svg.Line("axis", kScale.left, kTop - 3, kScale.left, bottom);
  return svg.Finish();
}

// Linear between order statistics; `sorted` is not empty.
double SortedQuantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(at));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - static_cast<double>(below));
}

struct Strip {
  std::string label;
  int series = 0;
  std::vector<std::pair<std::string, double>> targets;
};

double MeanOf(const Strip& strip) {
  ExactSum sum;
  for (const auto& [target, value] : strip.targets) {
    sum.Add(value);
  }
  return sum.Mean();
}

void DrawStrip(const Strip& strip, const Scale& scale, double y, Svg& svg) {
  constexpr double kHalfBox = 11;
  std::vector<double> sorted;
  for (const auto& [target, value] : strip.targets) {
    sorted.push_back(value);
  }
  std::sort(sorted.begin(), sorted.end());
  const double lower = scale.Place(SortedQuantile(sorted, 0.25));
  const double upper = scale.Place(SortedQuantile(sorted, 0.75));
  const double median = scale.Place(SortedQuantile(sorted, 0.5));
  svg.Line("box-line", scale.Place(sorted.front()), y, lower, y);
  svg.Line("box-line", upper, y, scale.Place(sorted.back()), y);
  svg.Rect("box", lower, y - kHalfBox, upper - lower, 2 * kHalfBox);
  // Many targets need small marks; their heights only keep them apart.
  constexpr size_t kMany = 40;
  const double radius = sorted.size() > kMany ? 2 : 3.2;
  constexpr size_t kLevels = 5;
  constexpr double kMiddle = 2;
  for (size_t i = 0; i < strip.targets.size(); ++i) {
    const double shift = (static_cast<double>(i * 2 % kLevels) - kMiddle) * 3.4;
    svg.Marker(StyleOfSeries(strip.series), scale.Place(strip.targets[i].second), y + shift, radius,
               absl::StrCat(strip.targets[i].first, ": ", FigureText(strip.targets[i].second, 1)));
  }
  // Again on top: many marks hide the box.
  svg.Rect("box-edge", lower, y - kHalfBox, upper - lower, 2 * kHalfBox);
  svg.Line("median", median, y - kHalfBox, median, y + kHalfBox);
}

}  // namespace

std::vector<int> SeriesNumbers(const ReportTable& table) {
  std::vector<int> numbers;
  int next = 1;
  for (const ReportRow& row : table.rows) {
    numbers.push_back(IsOriginal(row) ? 0 : next++);
  }
  return numbers;
}

const ReportRow* OriginalOf(const ReportTable& table, const ReportRow& row) {
  const auto found =
      std::find_if(table.rows.begin(), table.rows.end(), [&](const ReportRow& candidate) {
        return IsOriginal(candidate) && candidate.run == row.run &&
               candidate.recipe.group == row.recipe.group;
      });
  return found == table.rows.end() ? nullptr : &*found;
}

std::optional<double> UtilityChange(const ReportTable& main, const ReportRow& row,
                                    const ReportRow& original) {
  constexpr double kPercent = 100;
  ExactSum changes;
  for (const char* const key : {"gen", "rea", "tru", "fac", "flu"}) {
    const std::optional<size_t> column = FindColumn(main, key);
    if (!column) {
      continue;
    }
    const std::optional<double>& before = original.cells[*column].value;
    const std::optional<double>& after = row.cells[*column].value;
    if (before && after && *before > 0) {
      changes.Add(kPercent * (*after - *before) / *before);
    }
  }
  if (changes.count() == 0) {
    return std::nullopt;
  }
  return changes.Mean();
}

std::string AttackPanels(const ReportTable& attacks) {
  if (!HasFigure(attacks)) {
    return "";
  }
  const std::vector<std::string> labels = RowLabels(attacks);
  const std::vector<int> series = SeriesNumbers(attacks);
  std::string panels;
  bool has_original = false;
  for (size_t i = 0; i < attacks.rows.size(); ++i) {
    const ReportRow* const original = OriginalOf(attacks, attacks.rows[i]);
    has_original = has_original || original != nullptr;
    absl::StrAppend(&panels, Panel(attacks, i, labels[i], series[i], original));
  }
  return absl::StrCat(
      "<figure class=\"wide\">\n<div class=\"panels\">\n", panels,
      "</div>\n<figcaption><b>Recall by attack type.</b> ROUGE-L recall x100 of "
      "adversarial forget probes; shorter bars have forgotten more. Thin line: 95&nbsp;% "
      "interval.",
      has_original ? " Upright mark: before unlearning." : "", "</figcaption>\n</figure>\n");
}

std::string TargetDistribution(const Report& report) {
  const ReportTable* const main = FindTable(report, "main");
  if (main == nullptr || main->rows.size() != report.targets.size()) {
    return "";
  }
  const std::vector<std::string> labels = RowLabels(*main);
  const std::vector<int> series = SeriesNumbers(*main);
  std::vector<Strip> strips;
  for (size_t i = 0; i < report.targets.size(); ++i) {
    const std::optional<size_t> column = FindColumn(report.targets[i], "forget_all");
    Strip strip{labels[i], series[i], {}};
    for (const ReportRow& row : report.targets[i].rows) {
      if (column && row.cells[*column].value) {
        strip.targets.emplace_back(row.label, *row.cells[*column].value);
      }
    }
    if (!strip.targets.empty()) {
      strips.push_back(std::move(strip));
    }
  }
  if (strips.empty()) {
    return "";
  }
  constexpr double kWidth = 480;
  constexpr double kTop = 26;
  constexpr double kStep = 40;
  constexpr double kLabelSize = 13;
  constexpr double kLongestLabel = 150;
  double label_width = 0;
  for (const Strip& strip : strips) {
    label_width = std::max(label_width, TextWidth(strip.label, kLabelSize));
  }
  const double left = std::min(label_width, kLongestLabel) + 16;
  const Scale scale{left, kWidth - left - 52};
  const double bottom = kTop + kStep * static_cast<double>(strips.size());
  std::string description;
  for (const Strip& strip : strips) {
    absl::StrAppend(&description, strip.label, ": mean ", FigureText(MeanOf(strip), 1), " over ",
                    strip.targets.size(), " targets. ");
  }
  Svg svg(kWidth, bottom + 46, "distribution", "Forget All by target", description);
  for (double tick = 0; tick <= kMostRecall; tick += 20) {
    svg.Line("grid", scale.Place(tick), kTop, scale.Place(tick), bottom);
    svg.Text("tick", scale.Place(tick), bottom + 17, "middle", FigureText(tick, 0));
  }
  svg.Line("axis", left, bottom, left + scale.width, bottom);
  svg.Text("axis-title", left, bottom + 38, "start", "← Forget All of a target");
  svg.Text("tick", kWidth - 2, kTop - 8, "end", "mean");
  for (size_t i = 0; i < strips.size(); ++i) {
    const double y = kTop + kStep * (static_cast<double>(i) + 0.5);
    svg.Text("label", left - 10, y + 4, "end", strips[i].label);
    DrawStrip(strips[i], scale, y, svg);
    svg.Text("bar-value", kWidth - 2, y + 4, "end", FigureText(MeanOf(strips[i]), 1));
  }
  return absl::StrCat(
      "<figure>\n", svg.Finish(),
      "<figcaption><b>Forget All by target.</b> A mark a target; box: quartiles and "
      "median; line: least to most.</figcaption>\n</figure>\n");
}

}  // namespace rwku::report
