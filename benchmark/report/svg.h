// A drawing for a page: shapes and text by class, coloured by the page's style.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rwku::report {

// `text` for HTML and SVG, in content and in quoted attributes: control characters become spaces,
// what is no UTF-8 U+FFFD.
std::string EscapedMarkup(absl::string_view text);

// "12.5": for coordinates, without trailing zeros.
std::string Coordinate(double value);

// How the rows of a table are told apart: a colour and a shape each, so that neither is needed
// alone. Number 0 is the model before unlearning; beyond seven others, colours return with hollow
// shapes.
struct SeriesStyle {
  int color = 0;  // class "s<color>"
  int shape = 0;  // 0..7
  bool hollow = false;
};
SeriesStyle StyleOfSeries(int number);

// Builds one <svg>. Coordinates are units of the view box; widths of text are estimated. Not
// thread-safe.
class Svg {
 public:
  // `id` is unique in the page; `title` and `description` are what a reader who does not see the
  // drawing gets.
  Svg(double width, double height, absl::string_view id, absl::string_view title,
      absl::string_view description);

  void Line(absl::string_view css_class, double x1, double y1, double x2, double y2);
  void Rect(absl::string_view css_class, double x, double y, double width, double height);
  // `anchor` is "start", "middle" or "end".
  void Text(absl::string_view css_class, double x, double y, absl::string_view anchor,
            absl::string_view text);
  // The shape of a series, about 2 x `radius` wide; `tooltip` may be empty.
  void Marker(const SeriesStyle& style, double x, double y, double radius,
              absl::string_view tooltip);

  // Ends the drawing; call once.
  std::string Finish();

 private:
  std::string out_;
};

// Width of `text` in a sans-serif face of `size` units.
double TextWidth(absl::string_view text, double size);

}  // namespace rwku::report
