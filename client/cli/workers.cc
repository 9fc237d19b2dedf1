// rwku workers and drain.
#include <ostream>

#include "absl/strings/str_cat.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/table.h"

namespace rwku::cli {
namespace {

std::string DeviceText(const v1::Worker& worker) {
  std::string text;
  for (const v1::Device& device : worker.devices()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", device.name());
    if (const std::string memory = FormatBytes(device.memory_bytes()); !memory.empty()) {
      absl::StrAppend(&text, " (", memory, ")");
    }
  }
  return text;
}

int Workers(Session& session) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const auto workers = (*client)->ListWorkers();
  if (!workers.ok()) {
    return session.Fail(workers.status());
  }
  if (session.json()) {
    v1::ListWorkersResponse all;
    all.mutable_workers()->Add(workers->begin(), workers->end());
    session.PrintJson(all);
    return kExitDone;
  }
  TextTable table(
      {"WORKER", "STATE", "DEVICES", "MODEL", "JOB", ">DONE", ">FAILED", "VERSION", "SEEN"});
  for (const v1::Worker& worker : *workers) {
    table.AddRow({ShortName(worker.name()), StateName(worker.state()), DeviceText(worker),
                  worker.resident_model(), ShortName(worker.job()),
                  absl::StrCat(worker.completed_jobs()), absl::StrCat(worker.failed_attempts()),
                  worker.version(), FormatTime(worker.last_heartbeat_time(), session.env().zone)});
  }
  session.out() << table.Render(session.table_width());
  return kExitDone;
}

}  // namespace

void AddWorkers(CommandTree& tree) {
  CLI::App* app = tree.Add("workers", "List workers", {"rwku workers", "rwku workers -o json"});
  Command command;
  command.needs = Needs::kWorkers;
  command.run = Workers;
  tree.Define(app, std::move(command));
}

void AddDrain(CommandTree& tree) {
  CLI::App* app =
      tree.Add("drain", "Let a worker finish its job and take no other", {"rwku drain gpu-node-3"});
  auto name = std::make_shared<std::string>();
  app->add_option("WORKER", *name, "Worker to drain")->required();
  Command command;
  command.needs = Needs::kWorkers;
  command.run = [name](Session& session) {
    const absl::StatusOr<client::Client*> client = session.client();
    if (!client.ok()) {
      return session.Fail(client.status());
    }
    const absl::StatusOr<v1::Worker> worker = (*client)->DrainWorker(WorkerResource(*name));
    if (!worker.ok()) {
      return session.Fail(worker.status());
    }
    if (session.json()) {
      session.PrintJson(*worker);
    } else if (!session.globals().quiet) {
      session.out() << "worker " << ShortName(worker->name()) << ": " << StateName(worker->state())
                    << "\n";
    }
    return kExitDone;
  };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
