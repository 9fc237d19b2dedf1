#include "tests/testing/temporary_folder.h"

#include <cstdlib>
#include <system_error>

#include <gtest/gtest.h>

#include "base/check.h"

namespace rwku::testing {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::path(::testing::TempDir()) / "rwku-XXXXXX").string();
  RWKU_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace rwku::testing
