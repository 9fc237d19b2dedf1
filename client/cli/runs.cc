// rwku status, list, cancel and delete: runs as a whole.
#include <ostream>

#include "absl/strings/str_cat.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/recipe_syntax.h"
#include "client/cli/table.h"

namespace rwku::cli {
namespace {

int Done(const v1::JobCounts& counts) {
  return counts.succeeded() + counts.failed() + counts.cancelled();
}

int All(const v1::JobCounts& counts) { return Done(counts) + counts.queued() + counts.leased(); }

std::string RecipeNames(const v1::RunSpec& spec) {
  std::string names;
  for (const v1::Recipe& recipe : spec.recipes()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", RecipeName(recipe));
  }
  return names;
}

// "batches 1-10, 1-20"; empty for single targets.
std::string GroupNames(const v1::RunSpec& spec) {
  std::string names;
  for (const v1::TargetGroup& group : spec.groups()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", group.name());
  }
  if (names.empty()) {
    return names;
  }
  return absl::StrCat(spec.target_mode() == v1::TARGET_MODE_SEQUENTIAL ? "sequences " : "batches ",
                      names);
}

void PrintRun(const Session& session, const v1::Run& run) {
  const auto line = [&session](const char* what, const std::string& value) {
    if (!value.empty()) {
      session.out() << what << std::string(12 - std::string(what).size(), ' ') << OneLine(value)
                    << "\n";
    }
  };
  const v1::JobCounts& jobs = run.jobs();
  line("run", ShortName(run.name()));
  line("name", run.spec().display_name());
  line("state", StateName(run.state()));
  line("jobs", absl::StrCat(Done(jobs), " of ", All(jobs), " done: ", jobs.succeeded(),
                            " succeeded, ", jobs.failed(), " failed, ", jobs.cancelled(),
                            " cancelled, ", jobs.leased(), " running, ", jobs.queued(), " queued"));
  line("model", run.spec().model());
  line("dataset", run.spec().dataset());
  line("methods", RecipeNames(run.spec()));
  line("targets", GroupNames(run.spec()));
  line("created", FormatTime(run.create_time(), session.env().zone));
  line("ended", FormatTime(run.end_time(), session.env().zone));
}

int List(Session& session, size_t limit) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const auto runs = (*client)->ListRuns(limit);
  if (!runs.ok()) {
    return session.Fail(runs.status());
  }
  if (session.json()) {
    v1::ListRunsResponse all;
    all.mutable_runs()->Add(runs->begin(), runs->end());
    session.PrintJson(all);
    return kExitDone;
  }
  TextTable table({"RUN", "STATE", ">DONE", ">FAILED", "MODEL", "DATASET", "CREATED", "METHODS"});
  for (const v1::Run& run : *runs) {
    table.AddRow({ShortName(run.name()), StateName(run.state()),
                  absl::StrCat(Done(run.jobs()), "/", All(run.jobs())),
                  absl::StrCat(run.jobs().failed()), run.spec().model(), run.spec().dataset(),
                  FormatTime(run.create_time(), session.env().zone), RecipeNames(run.spec())});
  }
  session.out() << table.Render(session.table_width());
  return kExitDone;
}

}  // namespace

void AddStatus(CommandTree& tree) {
  CLI::App* app = tree.Add("status", "Show one run",
                           {"rwku status r0000000a", "rwku status r0000000a -o json"});
  auto name = std::make_shared<std::string>();
  app->add_option("RUN", *name, "Run to show")->required();
  Command command;
  command.run = [name](Session& session) {
    const absl::StatusOr<client::Client*> client = session.client();
    if (!client.ok()) {
      return session.Fail(client.status());
    }
    const absl::StatusOr<v1::Run> run = (*client)->GetRun(RunResource(*name));
    if (!run.ok()) {
      return session.Fail(run.status());
    }
    if (session.json()) {
      session.PrintJson(*run);
    } else {
      PrintRun(session, *run);
    }
    return kExitDone;
  };
  tree.Define(app, std::move(command));
}

void AddList(CommandTree& tree) {
  CLI::App* app = tree.Add("list", "List runs, newest first", {"rwku list", "rwku list --limit 5"});
  auto limit = std::make_shared<size_t>(0);
  app->add_option("--limit", *limit, "At most this many (default: all)");
  Command command;
  command.run = [limit](Session& session) { return List(session, *limit); };
  tree.Define(app, std::move(command));
}

void AddCancel(CommandTree& tree) {
  CLI::App* app = tree.Add("cancel", "Cancel what is left of a run", {"rwku cancel r0000000a"});
  auto name = std::make_shared<std::string>();
  app->add_option("RUN", *name, "Run to cancel")->required();
  Command command;
  command.run = [name](Session& session) {
    const absl::StatusOr<client::Client*> client = session.client();
    if (!client.ok()) {
      return session.Fail(client.status());
    }
    const absl::StatusOr<v1::Run> run = (*client)->CancelRun(RunResource(*name));
    if (!run.ok()) {
      return session.Fail(run.status());
    }
    if (session.json()) {
      session.PrintJson(*run);
    } else if (!session.globals().quiet) {
      session.out() << "run " << ShortName(run->name()) << ": " << StateName(run->state()) << "\n";
    }
    return kExitDone;
  };
  tree.Define(app, std::move(command));
}

void AddDelete(CommandTree& tree) {
  CLI::App* app =
      tree.Add("delete", "Delete an ended run with its results", {"rwku delete r0000000a"});
  auto name = std::make_shared<std::string>();
  app->add_option("RUN", *name, "Run to delete")->required();
  Command command;
  command.formats = {"table"};
  command.run = [name](Session& session) {
    const absl::StatusOr<client::Client*> client = session.client();
    if (!client.ok()) {
      return session.Fail(client.status());
    }
    const absl::Status deleted = (*client)->DeleteRun(RunResource(*name));
    if (!deleted.ok()) {
      return session.Fail(deleted);
    }
    if (!session.globals().quiet) {
      session.out() << "run " << ShortName(RunResource(*name)) << ": deleted\n";
    }
    return kExitDone;
  };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
