// Takes a resource of the system away from this process for a while, to see what is done without.
#pragma once

#include <sys/resource.h>

namespace rwku::testing {

// While it lives the limit `resource` (RLIMIT_NOFILE, RLIMIT_FSIZE) of this process is `limit`. A
// write beyond RLIMIT_FSIZE fails and ends nothing. One at a time, while no thread starts another.
class ResourceLimit {
 public:
  ResourceLimit(int resource, rlim_t limit);
  ~ResourceLimit();
  ResourceLimit(const ResourceLimit&) = delete;
  ResourceLimit& operator=(const ResourceLimit&) = delete;

 private:
  const int resource_;
  rlimit before_{};
  void (*handler_)(int);
};

}  // namespace rwku::testing
