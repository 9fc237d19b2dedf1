#include "tests/simulated_device/synchronisations.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

#include "base/check.h"

namespace rwku::simulated {
namespace {

constexpr size_t kOperators = 4;
constexpr size_t kNameBytes = 64;

// The latest operators, the last one at (count - 1) % kOperators; plain characters, so that a
// signal handler can write them.
struct Latest {
  std::array<std::array<char, kNameBytes>, kOperators> names = {};
  size_t count = 0;

  // From the oldest to the last.
  template <typename Function>
  void ForEach(const Function& function) const {
    for (size_t i = count < kOperators ? 0 : count - kOperators; i < count; ++i) {
      function(names[i % kOperators].data());
    }
  }
};

struct State {
  absl::Mutex mu;
  Latest latest ABSL_GUARDED_BY(mu);
  std::vector<std::string>* found ABSL_GUARDED_BY(mu) = nullptr;  // of the scope that lives
};

State& Global() {
  static State& state = *new State;
  return state;
}

}  // namespace

NoSynchronisationScope::NoSynchronisationScope() {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  RWKU_CHECK(state.found == nullptr);
  state.found = &found_;
}

NoSynchronisationScope::~NoSynchronisationScope() {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  state.found = nullptr;
}

std::vector<std::string> NoSynchronisationScope::Found() const {
  const absl::MutexLock lock(&Global().mu);
  return found_;
}

void NoteOperator(absl::string_view op) {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  auto& name = state.latest.names[state.latest.count % kOperators];
  const size_t size = std::min(op.size(), kNameBytes - 1);
  std::memcpy(name.data(), op.data(), size);
  name[size] = '\0';
  ++state.latest.count;
}

void NoteSynchronisation(absl::string_view what) {
  State& state = Global();
  const absl::MutexLock lock(&state.mu);
  if (state.found == nullptr) {
    return;
  }
  std::string line = absl::StrCat(what, "; the latest operators:");
  state.latest.ForEach([&line](const char* name) { absl::StrAppend(&line, " ", name); });
  state.found->push_back(line);
}

// The handler must not wait for a lock that its own thread may hold.
void WriteLatestOperators() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const auto write_text = [](const char* text) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
  };
  Global().latest.ForEach([&](const char* name) {
    write_text(" ");
    write_text(name);
  });
}

}  // namespace rwku::simulated
