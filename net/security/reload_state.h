// What was read of files that are read again when they change.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"

namespace rwku::net {

// `Stamps`: a FileStamp, or several as one value. Take them before the contents are read, so that a
// change between the two is seen as one. Not thread-safe.
template <typename Stamps>
class ReloadState {
 public:
  // Whether the files are others than those that were read. What could not be read, or had an
  // error, is due until it is good.
  bool IsDue(const Stamps& now) const { return now != read_; }

  void Succeeded(Stamps read) {
    read_ = std::move(read);
    problem_.clear();
  }

  // Whether `problem` is to be logged: it is another one than the last since something was read.
  bool IsNews(const absl::Status& problem) {
    if (problem.message() == problem_) {
      return false;
    }
    problem_ = std::string(problem.message());
    return true;
  }

 private:
  Stamps read_ = {};
  std::string problem_;
};

}  // namespace rwku::net
