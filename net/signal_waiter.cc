#include "net/signal_waiter.h"

#include <pthread.h>

#include <csignal>
#include <utility>

#include "base/check.h"

namespace rwku::net {
namespace {

// Wakes the thread up to end it; sent to that thread alone.
constexpr int kEndSignal = SIGUSR2;

sigset_t Waited() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

SignalWaiter::SignalWaiter() {
  sigset_t set = Waited();
  sigaddset(&set, kEndSignal);
  RWKU_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
}

SignalWaiter::~SignalWaiter() {
  if (thread_.joinable()) {
    pthread_kill(thread_.native_handle(), kEndSignal);
    thread_.join();
  }
}

void SignalWaiter::Start(std::function<void(int signal)> on_signal) {
  RWKU_CHECK(!thread_.joinable());
  thread_ = std::thread([on_signal = std::move(on_signal)] {
    sigset_t set = Waited();
    sigaddset(&set, kEndSignal);
    while (true) {
      int signal = 0;
      if (sigwait(&set, &signal) != 0 || signal == kEndSignal) {
        return;
      }
      on_signal(signal);
    }
  });
}

}  // namespace rwku::net
