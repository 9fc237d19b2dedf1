// The two trade-off figures.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "benchmark/report/figures.h"
#include "benchmark/report/label_placer.h"
#include "benchmark/report/svg.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr double kWidth = 480;
constexpr double kHeight = 372;
constexpr double kLeft = 46;
constexpr double kRight = 14;
constexpr double kTop = 34;
constexpr double kBottom = 46;
constexpr double kRadius = 5.5;
constexpr double kPublishedRadius = 4;
constexpr double kLabelSize = 15;  // the page draws 13 where it is wide
constexpr absl::string_view kMinus = "−";

struct Value {
  double at = 0;
  std::optional<double> low;
  std::optional<double> high;
  std::optional<double> published;
};

struct PointOfRow {
  std::string label;
  int series = 0;
  Value x;
  Value y;
  std::vector<std::pair<double, double>> path = {};  // checkpoints before, in order
};

// A stretch of numbers along an axis, with round ticks.
struct Axis {
  double low = 0;
  double high = 1;
  double step = 1;
  double from = 0;  // where `low` is drawn
  double to = 1;

  double Place(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

Axis AxisOver(const std::vector<PointOfRow>& points, Value PointOfRow::*member, double from,
              double to) {
  double low = (points.front().*member).at;
  double high = low;
  for (const PointOfRow& point : points) {
    const Value& value = point.*member;
    for (const std::optional<double>& end :
         {std::optional(value.at), value.low, value.high, value.published}) {
      low = std::min(low, end.value_or(low));
      high = std::max(high, end.value_or(high));
    }
    for (const auto& [path_x, path_y] : point.path) {
      const double at = member == &PointOfRow::x ? path_x : path_y;
      low = std::min(low, at);
      high = std::max(high, at);
    }
  }
  const double room = std::max(0.08 * (high - low), 1.0);
  low -= room;
  high += room;
  constexpr double kTicks = 5;
  const double rough = (high - low) / kTicks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  }
  return {low, high, step, from, to};
}

int Decimals(double step) { return step < 1 ? 1 : 0; }

void DrawAxes(const Axis& x, const Axis& y, const std::string& x_title, const std::string& y_title,
              Svg& svg) {
  const double bottom = kHeight - kBottom;
  for (double tick = std::ceil(x.low / x.step) * x.step; tick <= x.high; tick += x.step) {
    svg.Line("grid", x.Place(tick), kTop, x.Place(tick), bottom);
    svg.Text("tick", x.Place(tick), bottom + 17, "middle",
             FigureText(tick, Decimals(x.step), kMinus));
  }
  for (double tick = std::ceil(y.low / y.step) * y.step; tick <= y.high; tick += y.step) {
    svg.Line("grid", kLeft, y.Place(tick), kWidth - kRight, y.Place(tick));
    svg.Text("tick", kLeft - 7, y.Place(tick) + 4, "end",
             FigureText(tick, Decimals(y.step), kMinus));
  }
  svg.Line("axis", kLeft, bottom, kWidth - kRight, bottom);
  svg.Line("axis", kLeft, kTop, kLeft, bottom);
  svg.Text("axis-title", kLeft, kHeight - 10, "start", x_title);
  svg.Text("axis-title", 4, 18, "start", y_title);
}

void DrawWhiskers(const PointOfRow& point, const Axis& x, const Axis& y, Svg& svg) {
  const double at_x = x.Place(point.x.at);
  const double at_y = y.Place(point.y.at);
  const std::string css_class = absl::StrCat("whisker l", StyleOfSeries(point.series).color);
  if (point.x.low && point.x.high) {
    svg.Line(css_class, x.Place(*point.x.low), at_y, x.Place(*point.x.high), at_y);
  }
  if (point.y.low && point.y.high) {
    svg.Line(css_class, at_x, y.Place(*point.y.low), at_x, y.Place(*point.y.high));
  }
}

void DrawPublished(const PointOfRow& point, const Axis& x, const Axis& y, Svg& svg) {
  if (!point.x.published || !point.y.published) {
    return;
  }
  SeriesStyle style = StyleOfSeries(point.series);
  style.hollow = true;
  const double at_x = x.Place(*point.x.published);
  const double at_y = y.Place(*point.y.published);
  svg.Line("link", x.Place(point.x.at), y.Place(point.y.at), at_x, at_y);
  svg.Marker(style, at_x, at_y, kPublishedRadius, absl::StrCat(point.label, ", published"));
}

void DrawPath(const PointOfRow& point, const Axis& x, const Axis& y, Svg& svg) {
  constexpr double kStepRadius = 2.5;
  for (size_t i = 0; i < point.path.size(); ++i) {
    const bool last = i + 1 == point.path.size();
    const auto& [from_x, from_y] = point.path[i];
    svg.Line(absl::StrCat("whisker l", StyleOfSeries(point.series).color), x.Place(from_x),
             y.Place(from_y), x.Place(last ? point.x.at : point.path[i + 1].first),
             y.Place(last ? point.y.at : point.path[i + 1].second));
    svg.Marker(StyleOfSeries(point.series), x.Place(from_x), y.Place(from_y), kStepRadius,
               absl::StrCat(point.label, ", checkpoint ", i + 1, ": ",
                            FigureText(from_x, 1, kMinus), ", ", FigureText(from_y, 1, kMinus)));
  }
}

Box BoxAround(double x, double y, double radius) {
  return {x - radius, y - radius, x + radius, y + radius};
}

void DrawLabels(const std::vector<PointOfRow>& points, const Axis& x, const Axis& y, Svg& svg) {
  // A label may stand a little above the plot, where an interval often ends.
  LabelPlacer placer({kLeft + 2, kTop - 12, kWidth - 2, kHeight - kBottom - 2});
  for (const PointOfRow& point : points) {
    placer.AddObstacle(BoxAround(x.Place(point.x.at), y.Place(point.y.at), 1.3 * kRadius), 1);
    if (point.x.published && point.y.published) {
      placer.AddObstacle(BoxAround(x.Place(*point.x.published), y.Place(*point.y.published),
                                   1.3 * kPublishedRadius),
                         1);
    }
    // A label on a whisker is readable, but better beside it.
    constexpr double kHalf = 1;
    constexpr double kWeight = 0.2;
    if (point.x.low && point.x.high) {
      const double at = y.Place(point.y.at);
      placer.AddObstacle({x.Place(*point.x.low), at - kHalf, x.Place(*point.x.high), at + kHalf},
                         kWeight);
    }
    if (point.y.low && point.y.high) {
      const double at = x.Place(point.x.at);
      placer.AddObstacle({at - kHalf, y.Place(*point.y.high), at + kHalf, y.Place(*point.y.low)},
                         kWeight);
    }
  }
  for (const PointOfRow& point : points) {
    const Box box = placer.Place(x.Place(point.x.at), y.Place(point.y.at), 1.6 * kRadius,
                                 TextWidth(point.label, kLabelSize), kLabelSize);
    svg.Text("label", (box.left + box.right) / 2, box.bottom - 3, "middle", point.label);
  }
}

struct Texts {
  std::string id;
  std::string title;
  std::string caption;
  std::string x_title;
  std::string y_title;
};

bool AnyPublished(const std::vector<PointOfRow>& points) {
  return std::any_of(points.begin(), points.end(), [](const PointOfRow& point) {
    return point.x.published && point.y.published;
  });
}

std::string Scatter(const Texts& texts, const std::vector<PointOfRow>& points,
                    std::optional<double> reference) {
  std::string description;
  for (const PointOfRow& point : points) {
    absl::StrAppend(&description, point.label, ": ", FigureText(point.x.at, 1), " and ",
                    FigureText(point.y.at, 1), ". ");
  }
  Svg svg(kWidth, kHeight, texts.id, texts.title, description);
  const Axis x = AxisOver(points, &PointOfRow::x, kLeft, kWidth - kRight);
  const Axis y = AxisOver(points, &PointOfRow::y, kHeight - kBottom, kTop);
  DrawAxes(x, y, texts.x_title, texts.y_title, svg);
  if (reference) {
    svg.Line("reference", kLeft, y.Place(*reference), kWidth - kRight, y.Place(*reference));
  }
  for (const PointOfRow& point : points) {
    DrawWhiskers(point, x, y, svg);
    DrawPublished(point, x, y, svg);
    DrawPath(point, x, y, svg);
  }
  for (const PointOfRow& point : points) {
    svg.Marker(StyleOfSeries(point.series), x.Place(point.x.at), y.Place(point.y.at), kRadius,
               absl::StrCat(point.label, ": ", FigureText(point.x.at, 1, kMinus), ", ",
                            FigureText(point.y.at, 1, kMinus)));
  }
  DrawLabels(points, x, y, svg);
  return absl::StrCat("<figure>\n", svg.Finish(), "<figcaption><b>", EscapedMarkup(texts.title),
                      ".</b> ", EscapedMarkup(texts.caption), " Bars: 95&nbsp;% intervals.",
                      reference ? " Dashed: before unlearning." : "",
                      AnyPublished(points) ? " Hollow, joined by a line: published." : "",
                      "</figcaption>\n</figure>\n");
}

Value ValueOf(const ReportCell& cell) { return {*cell.value, cell.low, cell.high, cell.published}; }

constexpr absl::string_view kForgetTitle = "← Forget All: lower has forgotten more";

// The checkpoints before the last one, of a row that has a curve.
std::vector<std::pair<double, double>> PathOf(const ReportRow& row,
                                              const std::vector<ReportTable>& curves, size_t x,
                                              size_t y) {
  std::vector<std::pair<double, double>> path;
  for (const ReportTable& curve : curves) {
    if (curve.title != row.label || curve.rows.empty() || curve.rows.front().run != row.run) {
      continue;
    }
    for (size_t i = 0; i + 1 < curve.rows.size(); ++i) {
      const std::vector<ReportCell>& cells = curve.rows[i].cells;
      if (cells[x].value && cells[y].value) {
        path.emplace_back(*cells[x].value, *cells[y].value);
      }
    }
  }
  return path;
}

// One figure against another, with what the first row before unlearning has of `y_key` dashed.
std::string TwoColumns(const ReportTable& main, absl::string_view x_key, absl::string_view y_key,
                       const std::vector<ReportTable>& curves, const Texts& texts) {
  const std::optional<size_t> x_column = FindColumn(main, x_key);
  const std::optional<size_t> y_column = FindColumn(main, y_key);
  if (!x_column || !y_column) {
    return "";
  }
  const std::vector<std::string> labels = RowLabels(main);
  const std::vector<int> series = SeriesNumbers(main);
  std::vector<PointOfRow> points;
  std::optional<double> reference;
  for (size_t i = 0; i < main.rows.size(); ++i) {
    const ReportCell& x = main.rows[i].cells[*x_column];
    const ReportCell& y = main.rows[i].cells[*y_column];
    if (x.value && y.value) {
      points.push_back({labels[i], series[i], ValueOf(x), ValueOf(y),
                        PathOf(main.rows[i], curves, *x_column, *y_column)});
      if (IsOriginal(main.rows[i]) && !reference) {
        reference = y.value;
      }
    }
  }
  return points.empty() ? "" : Scatter(texts, points, reference);
}

}  // namespace

std::string NeighborTradeOff(const ReportTable& main, const std::vector<ReportTable>& curves) {
  return TwoColumns(main, "forget_all", "neighbor_all", curves,
                    {"trade-off-neighbor", "Forgetting against locality",
                     absl::StrCat("Best is the upper left corner.",
                                  curves.empty() ? "" : " Lines: checkpoints on the way."),
                     std::string(kForgetTitle), "↑ Neighbor All: higher has kept more"});
}

std::string MembershipTradeOff(const ReportTable& main) {
  return TwoColumns(main, "mia_retain", "mia_forget", {},
                    {"trade-off-membership", "Membership inference",
                     "Loss x100 on texts about the target (FM) and about others (RM). Best is the "
                     "upper left corner.",
                     "← RM: lower still models other texts", "↑ FM: higher has forgotten more"});
}

std::string UtilityTradeOff(const ReportTable& main) {
  const std::optional<size_t> forget = FindColumn(main, "forget_all");
  if (!forget) {
    return "";
  }
  const std::vector<std::string> labels = RowLabels(main);
  const std::vector<int> series = SeriesNumbers(main);
  std::vector<PointOfRow> points;
  for (size_t i = 0; i < main.rows.size(); ++i) {
    const ReportRow& row = main.rows[i];
    const ReportRow* const original = OriginalOf(main, row);
    if (original == nullptr || !row.cells[*forget].value) {
      continue;
    }
    const std::optional<double> change = UtilityChange(main, row, *original);
    if (change) {
      Value x = ValueOf(row.cells[*forget]);
      x.published.reset();
      points.push_back({labels[i], series[i], x, {*change, {}, {}, {}}});
    }
  }
  if (points.size() < 2) {
    return "";
  }
  return Scatter({"trade-off-utility", "Forgetting against utility",
                  "Mean relative change of Gen, Rea, Tru, Fac and Flu from before unlearning. Best "
                  "is the upper left corner.",
                  std::string(kForgetTitle), "↑ Utility: mean change in %"},
                 points, 0.0);
}

}  // namespace rwku::report
