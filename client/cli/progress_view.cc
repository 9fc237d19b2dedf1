#include "client/cli/progress_view.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "benchmark/report/render.h"
#include "client/cli/format.h"
#include "client/cli/recipe_syntax.h"
#include "client/cli/table.h"

namespace rwku::cli {
namespace {

constexpr char kBold[] = "\033[1m";
constexpr char kRed[] = "\033[31m";
constexpr char kReset[] = "\033[0m";

// `text` shortened or filled up to `width` columns.
std::string Fit(absl::string_view text, int width) {
  std::string out = Shorten(OneLine(text), width);
  out.append(std::max(0, width - report::DisplayWidth(out)), ' ');
  return out;
}

std::string Title(const ProgressModel& model, absl::Time now) {
  const v1::Run& run = model.run();
  std::string title = absl::StrCat("run ", ShortName(run.name()));
  if (!run.spec().display_name().empty()) {
    absl::StrAppend(&title, " (", OneLine(run.spec().display_name()), ")");
  }
  absl::StrAppend(&title, "  ", OneLine(run.spec().model()));
  if (run.has_create_time()) {
    const absl::Time end = run.has_end_time() ? ToTime(run.end_time()) : now;
    absl::StrAppend(&title, "  ", cli::FormatDuration(end - ToTime(run.create_time())));
  }
  if (model.terminal()) {
    absl::StrAppend(&title, "  ", StateName(run.state()));
  } else if (const auto remaining = model.Remaining(now); remaining.has_value()) {
    absl::StrAppend(&title, "  ETA ", cli::FormatDuration(*remaining));
  }
  return title;
}

std::string Overall(const ProgressModel& model, const ViewOptions& options) {
  const v1::JobCounts counts = model.counts();
  const int done = counts.succeeded() + counts.failed() + counts.cancelled();
  std::string numbers = absl::StrCat(" ", done, "/", model.total(), " jobs");
  if (counts.leased() > 0) {
    absl::StrAppend(&numbers, "  ", counts.leased(), " running");
  }
  if (counts.cancelled() > 0) {
    absl::StrAppend(&numbers, "  ", counts.cancelled(), " cancelled");
  }
  std::string failed;
  if (counts.failed() > 0) {
    failed = absl::StrCat("  ", counts.failed(), " failed");
  }
  const int text_width = report::DisplayWidth(numbers) + report::DisplayWidth(failed);
  const int bar_width = std::clamp(options.width - text_width, 0, 32);
  std::string line = bar_width >= 8 ? Bar(done, model.total(), bar_width) + numbers : numbers;
  if (text_width <= options.width) {
    line += options.color && !failed.empty() ? absl::StrCat(kRed, failed, kReset) : failed;
  }
  return line;
}

// 80 columns: 2 + 20 target + 1 + 12 recipe + 1 + 8 stage + 1 + 12 bar + numbers, loss and worker.
std::string JobLine(const ProgressModel::RunningJob& running, const ViewOptions& options) {
  std::string line = absl::StrCat("  ", Fit(running.job.target(), 20), " ",
                                  Fit(RecipeName(running.job.recipe()), 12), " ");
  if (!running.progress.has_value()) {
    absl::StrAppend(&line, Fit("starting", 9), ShortName(running.job.worker()));
    return Shorten(line, options.width);
  }
  const v1::JobProgress& progress = *running.progress;
  absl::StrAppend(&line, Fit(progress.stage(), 8), " ");
  if (progress.total() > 0) {
    absl::StrAppend(&line, Bar(progress.done(), progress.total(), 12), " ", progress.done(), "/",
                    progress.total());
  }
  if (progress.has_loss()) {
    absl::StrAppend(&line, absl::StrFormat(" loss %.3g", progress.loss()));
  }
  absl::StrAppend(&line, " ", ShortName(running.job.worker()));
  return Shorten(line, options.width);
}

}  // namespace

std::string Bar(int64_t done, int64_t total, int width) {
  const int inner = std::max(1, width - 2);
  const double share =
      total <= 0 ? 0 : std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  const int full = static_cast<int>(share * inner);
  return absl::StrCat("[", std::string(full, '#'), std::string(inner - full, '.'), "]");
}

std::vector<std::string> RenderProgress(const ProgressModel& model, absl::Time now,
                                        const ViewOptions& options) {
  std::vector<std::string> lines;
  const std::string title = Shorten(Title(model, now), options.width);
  lines.push_back(options.color ? absl::StrCat(kBold, title, kReset) : title);
  lines.push_back(Overall(model, options));
  const std::vector<const ProgressModel::RunningJob*> running = model.running();
  const size_t shown = std::min<size_t>(running.size(), options.max_jobs);
  for (size_t i = 0; i < shown; ++i) {
    lines.push_back(JobLine(*running[i], options));
  }
  if (shown < running.size()) {
    lines.push_back(absl::StrCat("  and ", running.size() - shown, " more"));
  }
  return lines;
}

void LiveBlock::Erase() {
  if (drawn_ > 0) {
    out_ << "\033[" << drawn_ << "A\r\033[J";  // up to the block's first line, clear to the end
    drawn_ = 0;
  }
}

void LiveBlock::Draw(const std::vector<std::string>& lines) {
  Erase();
  for (const std::string& line : lines) {
    out_ << line << "\n";
  }
  drawn_ = lines.size();
  out_.flush();
}

void LiveBlock::PrintAbove(const std::string& line) {
  Erase();
  out_ << line << "\n";
}

}  // namespace rwku::cli
