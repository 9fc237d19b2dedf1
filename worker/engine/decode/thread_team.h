// A few threads that share the parts of a loop, thousands of times a second.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace rwku::engine {

// The threads wait for the next loop awake for a moment and asleep after that. Parts go to whoever
// is free, and a thread that is not there in time is not waited for, so that a busy processor does
// not hold the others up. One owner's thread at a time may call For().
class ThreadTeam {
 public:
  // `threads` >= 1, the caller's among them.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls part(begin, end, thread) for ranges of at most `grain` > 0 that cover [0, count) once,
  // and returns when all are done. `thread` is in [0, threads()): no two parts run at a time with
  // the same. Parts must not throw, and not call For(). A loop of one range runs on the caller's
  // thread.
  template <typename Part>
  void For(int64_t count, int64_t grain, const Part& part) {
    if (count <= grain || helpers_.empty()) {
      if (count > 0) {
        part(int64_t{0}, count, 0);
      }
      return;
    }
    Run({[](const void* context, int64_t begin, int64_t end, int thread) {
           (*static_cast<const Part*>(context))(begin, end, thread);
         },
         &part, count, grain});
  }

 private:
  struct Loop {
    void (*call)(const void* context, int64_t begin, int64_t end, int thread) = nullptr;
    const void* context = nullptr;
    int64_t count = 0;
    int64_t grain = 1;
  };

  void Run(const Loop& loop);
  void RunParts(int thread);
  void Help(int thread);

  Loop loop_;                     // changes only while state_ is closed and nobody is inside
  std::atomic<int64_t> next_{0};  // the first element that nobody has taken
  // Bit 0: a loop is open; bit 1: the end; from bit 2 the number of helpers inside; from bit 16 the
  // number of loops so far, modulo 2^16.
  std::atomic<uint32_t> state_{0};
  std::vector<std::thread> helpers_;
};

}  // namespace rwku::engine
