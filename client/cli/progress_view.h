// Draws a ProgressModel for a terminal.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "client/cli/progress_model.h"

namespace rwku::cli {

struct ViewOptions {
  int width = 80;  // columns of the terminal; no line is longer
  int max_jobs = 16;
  bool color = false;
};

// The lines that describe the run now: a title, one bar over all jobs, one line a running job.
std::vector<std::string> RenderProgress(const ProgressModel& model, absl::Time now,
                                        const ViewOptions& options);

// "[#####.....]" of `width` columns, brackets included.
std::string Bar(int64_t done, int64_t total, int width);

// Keeps a block of lines in place at the bottom of a terminal. Not thread-safe.
class LiveBlock {
 public:
  explicit LiveBlock(std::ostream& out) : out_(out) {}

  // Replaces the block by `lines`.
  void Draw(const std::vector<std::string>& lines);
  // Puts a lasting line above the block, which must be drawn again.
  void PrintAbove(const std::string& line);

 private:
  void Erase();

  std::ostream& out_;
  size_t drawn_ = 0;
};

}  // namespace rwku::cli
