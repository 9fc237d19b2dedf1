#include "tests/testing/resource_limit.h"

#include <csignal>

#include "base/check.h"

namespace rwku::testing {

ResourceLimit::ResourceLimit(int resource, rlim_t limit)
    : resource_(resource), handler_(std::signal(SIGXFSZ, SIG_IGN)) {
  RWKU_CHECK(getrlimit(static_cast<__rlimit_resource_t>(resource_), &before_) == 0);
  rlimit less = before_;
  less.rlim_cur = limit;
  RWKU_CHECK(setrlimit(static_cast<__rlimit_resource_t>(resource_), &less) == 0);
}

ResourceLimit::~ResourceLimit() {
  setrlimit(static_cast<__rlimit_resource_t>(resource_), &before_);
  std::signal(SIGXFSZ, handler_);
}

}  // namespace rwku::testing
