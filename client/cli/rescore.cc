// rwku rescore: new scores for old predictions.
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"

namespace rwku::cli {
namespace {

int Rescore(Session& session, const std::string& run) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const absl::StatusOr<v1::RescoreRunResponse> answer = (*client)->RescoreRun(RunResource(run));
  if (!answer.ok()) {
    return session.Fail(answer.status());
  }
  if (session.json()) {
    session.PrintJson(*answer);
    return kExitDone;
  }
  session.out() << absl::StrCat(ShortName(run), ": ", answer->predictions(),
                                " predictions scored with metric version ",
                                answer->metrics_version(), "; ", answer->jobs_changed(),
                                " jobs changed, ", answer->jobs_unchanged(), " unchanged\n");
  return kExitDone;
}

}  // namespace

void AddRescore(CommandTree& tree) {
  CLI::App* app = tree.Add("rescore", "Compute the scores of a run's predictions anew",
                           {"rwku rescore r0000000a"},
                           "The server does it alone, from what is stored; no worker is needed.\n");
  auto run = std::make_shared<std::string>();
  app->add_option("RUN", *run, "Run to rescore")->required();
  Command command;
  command.run = [run](Session& session) { return Rescore(session, *run); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
