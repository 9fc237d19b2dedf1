// A folder for one test.
#pragma once

#include <filesystem>
#include <string>

namespace rwku::testing {

// Makes an empty folder below gtest's temporary folder, with a name that no other process and no
// other object has, and removes it with all in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // The path of `name` in it.
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace rwku::testing
