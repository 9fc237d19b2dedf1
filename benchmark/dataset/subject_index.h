// Where the records of each target lie in a file over all targets. Private to the dataset.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "benchmark/dataset/json_array.h"

namespace rwku::dataset {

// Immutable.
class SubjectIndex {
 public:
  // Streams the file once; checks that every element is a JSON object with a "subject".
  static absl::StatusOr<std::shared_ptr<const SubjectIndex>> Build(
      const std::filesystem::path& path, const std::string& name);

  // In file order; empty for an unknown subject.
  const std::vector<ElementSpan>& Spans(const std::string& subject) const;

 private:
  std::unordered_map<std::string, std::vector<ElementSpan>> spans_;
};

}  // namespace rwku::dataset
