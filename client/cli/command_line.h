// The whole command line as one function, so that tests can call it.
#pragma once

#include <string>
#include <vector>

#include "client/cli/session.h"

namespace rwku::cli {

// Parses `args` (without the program's name), runs the command and returns the exit code.
int RunCommandLine(const std::vector<std::string>& args, const Environment& environment);

}  // namespace rwku::cli
