#include "client/cli/watch.h"

#include <ostream>

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/progress_model.h"
#include "client/cli/progress_view.h"
#include "client/cli/table.h"

namespace rwku::cli {
namespace {

// Progress alone redraws the block at most this often.
constexpr absl::Duration kRedrawInterval = absl::Milliseconds(100);

class Watcher {
 public:
  explicit Watcher(Session& session)
      : session_(session),
        live_(session.env().terminal && !session.json() && !session.globals().quiet),
        block_(session.out()) {}

  void OnEvent(const v1::RunEvent& event) {
    const bool changed = model_.Apply(event);
    if (session_.globals().quiet) {
      return;
    }
    if (session_.json()) {
      session_.out() << ToJson(event, /*indented=*/false) << std::flush;
    } else if (live_) {
      if (changed && event.has_job() && event.job().state() == v1::JOB_STATE_FAILED) {
        block_.PrintAbove(OneLine(model_.last_change()));
      }
      Draw(changed);
    } else if (changed) {
      session_.out() << OneLine(model_.last_change()) << "\n" << std::flush;
    }
  }

  void OnBreak(const absl::Status& status) {
    if (live_ && !absl::IsDeadlineExceeded(status)) {
      block_.PrintAbove("the connection broke; trying again");
      Draw(true);
    }
  }

  void Finish() {
    if (live_) {
      Draw(true);
    }
  }

 private:
  void Draw(bool now_or_never) {
    const absl::Duration now = session_.env().clock->Monotonic();
    if (!now_or_never && now - drawn_ < kRedrawInterval) {
      return;
    }
    drawn_ = now;
    ViewOptions options;
    options.width = session_.env().width;
    options.color = session_.color();
    block_.Draw(RenderProgress(model_, session_.env().clock->Now(), options));
  }

  Session& session_;
  const bool live_;
  ProgressModel model_;
  LiveBlock block_;
  absl::Duration drawn_ = -absl::InfiniteDuration();
};

}  // namespace

int WatchToEnd(Session& session, const std::string& run) {
  absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  Watcher watcher(session);
  client::WatchOptions options;
  options.on_break = [&watcher](const absl::Status& status) { watcher.OnBreak(status); };
  // Without anybody to see it, progress need not travel.
  options.omit_progress = session.globals().quiet || (!session.env().terminal && !session.json());
  const absl::StatusOr<v1::Run> end = (*client)->WatchRun(
      run, options, [&watcher](const v1::RunEvent& event) { watcher.OnEvent(event); });
  watcher.Finish();
  if (!end.ok()) {
    if (absl::IsCancelled(end.status()) && session.env().interrupt->raised()) {
      session.err() << "run " << ShortName(run)
                    << (session.local() ? " is kept; continue it with: "
                                        : " goes on; watch it with: ")
                    << session.invocation() << " watch " << ShortName(run) << "\n";
    }
    return session.Fail(end.status());
  }
  if (session.env().terminal && !session.json() && !session.globals().quiet &&
      !end->spec().has_corpus()) {
    session.out() << "results: " << session.invocation() << " results " << ShortName(run) << "\n";
  }
  return ExitCodeOf(end->state());
}

void AddWatch(CommandTree& tree) {
  CLI::App* app = tree.Add("watch", "Follow a run to its end",
                           {"rwku watch r0000000a", "rwku watch r0000000a > log.txt"},
                           "On a terminal the progress of every running job; elsewhere one line a "
                           "change. Ctrl-C leaves the run going.\n"
                           "Exit code 0 if every job succeeded, 1 if one failed or the run was "
                           "cancelled.\n");
  auto run = std::make_shared<std::string>();
  app->add_option("RUN", *run, "Run to follow")->required();
  Command command;
  command.needs = Needs::kWorkers;
  command.run = [run](Session& session) { return WatchToEnd(session, RunResource(*run)); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
