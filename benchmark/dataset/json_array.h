// A JSON array read one element at a time, so that a file of any size takes the memory of one
// element. Private to the dataset.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rwku::dataset {

// Brackets within brackets, the outer array's included.
inline constexpr int kMaxJsonDepth = 64;
inline constexpr size_t kMaxElementBytes = size_t{64} << 20;

// Where an element lies in its file.
struct ElementSpan {
  uint64_t offset = 0;  // bytes from the start of the file
  uint64_t length = 0;  // bytes
  size_t index = 0;     // position in the array, from 0
};

// Splits the array into the texts of its elements. The texts are balanced in brackets and quotes
// but not checked further. Not thread-safe.
class JsonArrayReader {
 public:
  // `name` is what errors call the file.
  JsonArrayReader(const std::filesystem::path& path, std::string name);

  // The next element into `text` and its place into `span`; false at the end of the array.
  // INVALID_ARGUMENT names file and element for anything but one array of elements within the
  // limits above; NOT_FOUND where the file cannot be opened; INTERNAL where reading fails.
  absl::StatusOr<bool> Next(std::string* text, ElementSpan* span);

 private:
  enum class Place { kStart, kFirstElement, kNextElement, kEnd };

  // The next byte, or -1 at the end of the file.
  int Peek();
  void Skip() { ++used_; }
  void SkipSpaces();
  absl::Status ReadElement(std::string* text);
  absl::Status ReadEnd();
  absl::Status Error(absl::string_view what) const;

  std::ifstream stream_;
  std::string name_;
  std::string buffer_;
  size_t used_ = 0;        // bytes of buffer_ that are consumed
  uint64_t consumed_ = 0;  // bytes of the file before buffer_
  size_t next_index_ = 0;
  Place place_ = Place::kStart;
};

// The text of one element that JsonArrayReader found earlier.
absl::StatusOr<std::string> ReadSpan(std::ifstream& stream, const ElementSpan& span,
                                     absl::string_view name);

}  // namespace rwku::dataset
