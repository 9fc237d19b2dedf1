// rwku: the command line. Only the composition root: everything else is in command_line.h.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <sys/ioctl.h>

#include "base/clock.h"
#include "client/cli/command_line.h"
#include "client/cli/exit_code.h"
#include "net/signal_waiter.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  rwku::cli::Interrupt interrupt;
  rwku::net::SignalWaiter signals;
  signals.Start([&interrupt](int /*signal*/) {
    if (!interrupt.Raise()) {
      _exit(rwku::cli::kExitInterrupted);
    }
  });
  // gRPC's own log would repeat what the error says.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  const rwku::RealClock clock;
  rwku::cli::Environment environment;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.clock = &clock;
  environment.interrupt = &interrupt;
  environment.seed = std::random_device()();
  environment.zone = absl::LocalTimeZone();
  environment.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  std::error_code error;
  environment.executable = std::filesystem::read_symlink("/proc/self/exe", error).string();
  const std::string terminal = environment.variable("TERM").value_or("");
  winsize size{};
  if (isatty(STDOUT_FILENO) != 0 && terminal != "dumb") {
    environment.terminal = true;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      environment.width = size.ws_col;
    }
  }
  return rwku::cli::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc), environment);
}
