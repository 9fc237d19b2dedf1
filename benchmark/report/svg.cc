#include "benchmark/report/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

#include "benchmark/report/render.h"
#include "benchmark/report/table_text.h"

namespace rwku::report {
namespace {

constexpr int kColors = 7;              // besides the one of number 0
constexpr double kMeanCharacter = 0.6;  // of the size: a bold sans-serif face

using Point = std::pair<double, double>;

// Corners on the unit circle, the first at `start` turns from the top.
std::vector<Point> Polygon(int corners, double start) {
  std::vector<Point> points;
  for (int i = 0; i < corners; ++i) {
    const double angle =
        2 * std::numbers::pi * (start + static_cast<double>(i) / static_cast<double>(corners));
    points.emplace_back(std::sin(angle), -std::cos(angle));
  }
  return points;
}

// The outlines of shapes 1..7; shape 0 is a circle. Enlarged to about equal areas.
std::vector<Point> Outline(int shape) {
  constexpr double kArm = 0.38;
  switch (shape) {
    case 1:
      return {{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}};
    case 2:
      return {{0, -1.2}, {1.15, 0.85}, {-1.15, 0.85}};
    case 3:
      return {{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}};
    case 4:
      return {{0, 1.2}, {1.15, -0.85}, {-1.15, -0.85}};
    case 5:
      return {{-kArm, -1.2}, {kArm, -1.2}, {kArm, -kArm}, {1.2, -kArm},
              {1.2, kArm},   {kArm, kArm}, {kArm, 1.2},   {-kArm, 1.2},
              {-kArm, kArm}, {-1.2, kArm}, {-1.2, -kArm}, {-kArm, -kArm}};
    case 6: {
      std::vector<Point> star;
      const std::vector<Point> tips = Polygon(5, 0);
      const std::vector<Point> notches = Polygon(5, 0.1);
      for (size_t i = 0; i < tips.size(); ++i) {
        star.emplace_back(1.35 * tips[i].first, 1.35 * tips[i].second);
        star.emplace_back(0.6 * notches[i].first, 0.6 * notches[i].second);
      }
      return star;
    }
    default:
      return Polygon(6, 0);
  }
}

}  // namespace

std::string EscapedMarkup(absl::string_view text) {
  return absl::StrReplaceAll(
      Printable(text),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string Coordinate(double value) {
  std::string text = absl::StrFormat("%.1f", value);
  if (text.size() > 2 && text.substr(text.size() - 2) == ".0") {
    text.resize(text.size() - 2);
  }
  return text == "-0" ? "0" : text;
}

SeriesStyle StyleOfSeries(int number) {
  if (number == 0) {
    return {};
  }
  const int at = (number - 1) % kColors + 1;
  return {at, at, number > kColors};
}

Svg::Svg(double width, double height, absl::string_view id, absl::string_view title,
         absl::string_view description)
    : out_(absl::StrCat("<svg viewBox=\"0 0 ", Coordinate(width), " ", Coordinate(height),
                        "\" role=\"img\" aria-labelledby=\"", id, "-t ", id, "-d\">\n<title id=\"",
                        id, "-t\">", EscapedMarkup(title), "</title>\n<desc id=\"", id, "-d\">",
                        EscapedMarkup(description), "</desc>\n")) {}

void Svg::Line(absl::string_view css_class, double x1, double y1, double x2, double y2) {
  absl::StrAppend(&out_, "<line class=\"", css_class, "\" x1=\"", Coordinate(x1), "\" y1=\"",
                  Coordinate(y1), "\" x2=\"", Coordinate(x2), "\" y2=\"", Coordinate(y2), "\"/>\n");
}

void Svg::Rect(absl::string_view css_class, double x, double y, double width, double height) {
  absl::StrAppend(&out_, "<rect class=\"", css_class, "\" x=\"", Coordinate(x), "\" y=\"",
                  Coordinate(y), "\" width=\"", Coordinate(std::max(width, 0.0)), "\" height=\"",
                  Coordinate(height), "\"/>\n");
}

void Svg::Text(absl::string_view css_class, double x, double y, absl::string_view anchor,
               absl::string_view text) {
  absl::StrAppend(&out_, "<text class=\"", css_class, "\" x=\"", Coordinate(x), "\" y=\"",
                  Coordinate(y), "\" text-anchor=\"", anchor, "\">", EscapedMarkup(text),
                  "</text>\n");
}

void Svg::Marker(const SeriesStyle& style, double x, double y, double radius,
                 absl::string_view tooltip) {
  const std::string css_class = absl::StrCat("m s", style.color, style.hollow ? " hollow" : "");
  if (style.shape == 0) {
    absl::StrAppend(&out_, "<circle class=\"", css_class, "\" cx=\"", Coordinate(x), "\" cy=\"",
                    Coordinate(y), "\" r=\"", Coordinate(radius), "\"");
  } else {
    absl::StrAppend(&out_, "<polygon class=\"", css_class, "\" points=\"");
    const char* separator = "";
    for (const auto& [dx, dy] : Outline(style.shape)) {
      absl::StrAppend(&out_, separator, Coordinate(x + radius * dx), ",",
                      Coordinate(y + radius * dy));
      separator = " ";
    }
    absl::StrAppend(&out_, "\"");
  }
  if (tooltip.empty()) {
    absl::StrAppend(&out_, "/>\n");
  } else {
    absl::StrAppend(&out_, "><title>", EscapedMarkup(tooltip), "</title>",
                    style.shape == 0 ? "</circle>\n" : "</polygon>\n");
  }
}

std::string Svg::Finish() {
  absl::StrAppend(&out_, "</svg>\n");
  return std::move(out_);
}

double TextWidth(absl::string_view text, double size) {
  return kMeanCharacter * size * DisplayWidth(text);
}

}  // namespace rwku::report
