// rwku token: edits a server's tokens file where it lies. No server is asked.
#include <algorithm>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"
#include "client/cli/table.h"
#include "net/security/token_file.h"

namespace rwku::cli {
namespace {

struct Flags {
  std::string action;
  std::string file;
  std::string id;
  std::string role;
  std::string expires = "90d";
  std::string comment;
};

constexpr absl::Duration kDay = absl::Hours(24);

std::string TimeText(absl::Time time) {
  return time == absl::InfiniteFuture()
             ? "never"
             : absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> ParseExpiry(const std::string& text, absl::Time now) {
  constexpr int kMostDays = 3650;
  if (text == "never") {
    return absl::InfiniteFuture();
  }
  absl::string_view rest = text;
  absl::Duration duration;
  int days = 0;
  if (absl::ConsumeSuffix(&rest, "d") && absl::SimpleAtoi(rest, &days)) {
    duration = days * kDay;
  } else if (!absl::ParseDuration(text, &duration)) {
    duration = absl::ZeroDuration();
  }
  if (duration <= absl::ZeroDuration() || duration > kMostDays * kDay) {
    return absl::InvalidArgumentError(absl::StrCat("--expires: found \"", text,
                                                   "\", allowed are 90d, 12h and the like up to ",
                                                   kMostDays, "d, or never"));
  }
  return now + duration;
}

// What tells apart tokens that nobody named.
std::string RandomId(const std::string& role) {
  std::random_device random;
  return absl::StrFormat("%s-%08x", role, random());
}

absl::Status CheckFlags(const Flags& flags) {
  if (flags.action == "create" && flags.role.empty()) {
    return absl::InvalidArgumentError(
        "--role: missing; allowed are viewer, submitter, admin, worker");
  }
  if (flags.action == "revoke" && flags.id.empty()) {
    return absl::InvalidArgumentError("--id: missing; `rwku token list` shows the ids");
  }
  if (!flags.id.empty() && !net::IsTokenId(flags.id)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--id: found \"", flags.id, "\", allowed are 1 to 32 lower-case letters, digits or '-'"));
  }
  return absl::OkStatus();
}

absl::Status Create(const Flags& flags, Session& session) {
  const absl::Time now = session.env().clock->Now();
  net::TokenRecord record;
  absl::StatusOr<net::Role> role = net::ParseRole(flags.role);
  if (!role.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--role: ", role.status().message()));
  }
  record.role = *role;
  RWKU_ASSIGN_OR_RETURN(record.expires, ParseExpiry(flags.expires, now));
  record.id = flags.id.empty() ? RandomId(flags.role) : flags.id;
  record.created = now;
  record.comment = flags.comment;
  const std::string token = net::NewToken(record.id);
  record.sha256 = net::TokenHash(token);
  RWKU_RETURN_IF_ERROR(net::EditTokens(flags.file, [&](std::vector<net::TokenRecord>* tokens) {
    if (std::any_of(tokens->begin(), tokens->end(),
                    [&record](const net::TokenRecord& other) { return other.id == record.id; })) {
      return absl::AlreadyExistsError(absl::StrCat("--id: ", flags.file, " has a token \"",
                                                   record.id, "\" already; choose another id"));
    }
    tokens->push_back(record);
    // What the server would refuse must not get into its file.
    return net::ParseTokens(net::FormatTokens(*tokens), flags.file).status();
  }));
  if (session.json()) {
    const nlohmann::ordered_json json = {{"id", record.id},
                                         {"role", flags.role},
                                         {"expires", TimeText(record.expires)},
                                         {"token", token}};
    session.out() << json.dump(2) << "\n";
    return absl::OkStatus();
  }
  session.out() << token << "\n";
  if (!session.globals().quiet) {
    session.err() << "token \"" << record.id << "\" with the role " << flags.role << ", expires "
                  << TimeText(record.expires) << "; it is not shown again\n";
  }
  return absl::OkStatus();
}

std::string StateOf(const net::TokenRecord& token, absl::Time now) {
  if (token.revoked) {
    return absl::StrCat("revoked ", TimeText(*token.revoked));
  }
  return token.expires <= now ? "expired" : "good";
}

absl::Status List(const Flags& flags, Session& session) {
  RWKU_ASSIGN_OR_RETURN(const std::vector<net::TokenRecord> tokens, net::ReadTokens(flags.file));
  const absl::Time now = session.env().clock->Now();
  if (session.json()) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const net::TokenRecord& token : tokens) {
      json.push_back({{"id", token.id},
                      {"role", std::string(net::RoleName(token.role))},
                      {"state", StateOf(token, now)},
                      {"created", TimeText(token.created)},
                      {"expires", TimeText(token.expires)},
                      {"comment", token.comment}});
    }
    session.out() << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return absl::OkStatus();
  }
  TextTable table({"ID", "ROLE", "STATE", "CREATED", "EXPIRES", "COMMENT"});
  for (const net::TokenRecord& token : tokens) {
    table.AddRow({token.id, std::string(net::RoleName(token.role)), StateOf(token, now),
                  TimeText(token.created), TimeText(token.expires), token.comment});
  }
  session.out() << table.Render(session.table_width());
  return absl::OkStatus();
}

absl::Status Revoke(const Flags& flags, Session& session) {
  // The file is not made for this.
  RWKU_RETURN_IF_ERROR(net::ReadTokens(flags.file).status());
  RWKU_RETURN_IF_ERROR(net::EditTokens(flags.file, [&](std::vector<net::TokenRecord>* tokens) {
    for (net::TokenRecord& token : *tokens) {
      if (token.id == flags.id) {
        if (!token.revoked) {
          token.revoked = session.env().clock->Now();
        }
        return absl::OkStatus();
      }
    }
    return absl::NotFoundError(absl::StrCat("--id: ", flags.file, " has no token \"", flags.id,
                                            "\"; `rwku token list` shows the ids"));
  }));
  if (!session.globals().quiet) {
    session.err() << "token \"" << flags.id << "\" is revoked\n";
  }
  return absl::OkStatus();
}

int Token(const Flags& flags, Session& session) {
  absl::Status status = CheckFlags(flags);
  if (status.ok()) {
    status = flags.action == "create" ? Create(flags, session)
             : flags.action == "list" ? List(flags, session)
                                      : Revoke(flags, session);
  }
  return status.ok() ? kExitDone : session.Fail(status);
}

}  // namespace

void AddToken(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "token", "Create, list or revoke the tokens of a server, in its tokens file",
      {"rwku token create --file tokens.json --role submitter --expires 90d --id ci",
       "rwku token list --file tokens.json", "rwku token revoke --file tokens.json --id ci"},
      "No server is asked: run it where the server's --tokens file is. The server reads the file "
      "again\nby itself. `create` prints the token once; the file keeps its hash only.\n");
  auto flags = std::make_shared<Flags>();
  app->add_option("action", flags->action, "create, list or revoke")
      ->required()
      ->check(CLI::IsMember({"create", "list", "revoke"}));
  app->add_option("--file", flags->file, "The server's --tokens file; create makes it")->required();
  app->add_option("--role", flags->role, "viewer, submitter, admin or worker (create)");
  app->add_option("--expires", flags->expires, "90d, 12h, ... or never (create)")
      ->capture_default_str();
  app->add_option("--id", flags->id, "Name of the token (create: made up by default; revoke)");
  app->add_option("--comment", flags->comment, "Whose it is, and what for (create)");
  Command command;
  command.needs = Needs::kNothing;
  command.run = [flags](Session& session) { return Token(*flags, session); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
