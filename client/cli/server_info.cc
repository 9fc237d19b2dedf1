// rwku server-info and version.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/table.h"
#include "net/protocol_version.h"

namespace rwku::cli {
namespace {

// "0.1" of "0.1.7": versions that differ here may not understand each other.
std::string MajorMinor(absl::string_view version) {
  const std::vector<absl::string_view> parts = absl::StrSplit(version, '.');
  return parts.size() < 2 ? std::string(version) : absl::StrCat(parts[0], ".", parts[1]);
}

int Info(Session& session) {
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const absl::StatusOr<v1::ServerInfo> info = (*client)->GetServerInfo();
  if (!info.ok()) {
    return session.Fail(info.status());
  }
  if (session.json()) {
    session.PrintJson(*info);
    return kExitDone;
  }
  session.out() << "server    " << session.globals().server << "\n"
                << "version   " << OneLine(info->version()) << "\n"
                << "protocol  " << info->protocol_version() << "\n"
                << "schema    " << info->schema_version() << "\n"
                << "revision  " << info->revision() << "\n"
                << "uptime    " << cli::FormatDuration(ToDuration(info->uptime())) << "\n"
                << "workers   " << info->connected_workers() << " connected\n";
  return kExitDone;
}

int Version(Session& session, bool client_only) {
  const std::string mine(net::BinaryVersion());
  if (client_only) {
    session.out() << "client " << mine << "\n";
    return kExitDone;
  }
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const absl::StatusOr<v1::ServerInfo> info = (*client)->GetServerInfo();
  session.out() << "client " << mine << "\n";
  if (!info.ok()) {
    return session.Fail(info.status());
  }
  session.out() << "server " << OneLine(info->version()) << "\n";
  if (MajorMinor(mine) != MajorMinor(info->version())) {
    session.err() << "warning: client " << mine << " and server " << OneLine(info->version())
                  << " differ; install the same version of both\n";
  }
  return kExitDone;
}

}  // namespace

void AddServerInfo(CommandTree& tree) {
  CLI::App* app = tree.Add("server-info", "Show the server's version and state",
                           {"rwku server-info", "rwku server-info -o json"});
  Command command;
  command.run = Info;
  tree.Define(app, std::move(command));
}

void AddVersion(CommandTree& tree) {
  CLI::App* app = tree.Add("version", "Print the versions of client and server",
                           {"rwku version", "rwku version --client"});
  auto client_only = std::make_shared<bool>(false);
  app->add_flag("--client", *client_only, "Do not ask the server");
  Command command;
  command.formats = {"table"};
  command.run = [client_only](Session& session) { return Version(session, *client_only); };
  command.needs_now = [client_only] { return *client_only ? Needs::kNothing : Needs::kServer; };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
