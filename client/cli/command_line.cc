#include "client/cli/command_line.h"

#include <ostream>

#include "client/cli/command_tree.h"
#include "client/cli/exit_code.h"

namespace rwku::cli {

int RunCommandLine(const std::vector<std::string>& args, const Environment& environment) {
  Globals defaults;
  // Any value but the empty one switches colors off (no-color.org).
  defaults.no_color = !environment.variable("NO_COLOR").value_or("").empty();
  defaults.security.token = environment.variable("RWKU_TOKEN").value_or("");
  CommandTree tree(defaults);
  AddAllCommands(tree);
  int exit_code = kExitDone;
  const Command* command = tree.Parse(args, environment, &exit_code);
  if (command == nullptr) {
    return exit_code;
  }
  Session session(environment, tree.globals());
  exit_code = command->run(session);
  environment.out->flush();
  if (!environment.out->good()) {
    *environment.err << "error: cannot write the output\n";
    return exit_code == kExitDone ? kExitFailed : exit_code;
  }
  return exit_code;
}

}  // namespace rwku::cli
