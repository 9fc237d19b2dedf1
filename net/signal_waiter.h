// Waits for SIGTERM and SIGINT in an ordinary thread, where everything may be called, instead of a
// signal handler, where next to nothing may.
#pragma once

#include <functional>
#include <thread>

namespace rwku::net {

// Construct first thing in main: signals are blocked in the constructing thread, and threads
// started later inherit that.
class SignalWaiter {
 public:
  SignalWaiter();
  // Ends the waiting thread.
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  // Starts the thread: `on_signal` is called with the signal's number every time one arrives. Call
  // at most once.
  void Start(std::function<void(int signal)> on_signal);

 private:
  std::thread thread_;
};

}  // namespace rwku::net
