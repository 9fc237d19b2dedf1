// One record of a file: a JSON object whose fields are read with their types checked. Private to
// the dataset; the only header that sees the JSON parser.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

namespace rwku::dataset {

// What errors call a record: `forget_level1.json: record 3` (records count from 0).
std::string RecordName(absl::string_view file, size_t index);

// The text of a record's own string field `field` ("subject", "target") without building the
// record. INVALID_ARGUMENT, beginning with `name`, for text that is not a JSON object with it.
absl::StatusOr<std::string> ScanField(absl::string_view text, absl::string_view field,
                                      absl::string_view name);

// The record of `text`; INVALID_ARGUMENT, beginning with `name`, if it is not one JSON object.
absl::StatusOr<nlohmann::json> ParseObject(absl::string_view text, absl::string_view name);

// Reads fields of one object, which must outlive it. Every error is INVALID_ARGUMENT in the form
// `forget_level1.json: record 3: field "answer": found number, expected string`.
class Record {
 public:
  Record(const nlohmann::json& object, std::string name)
      : object_(object), name_(std::move(name)) {}

  // A string; a blank one is refused.
  absl::StatusOr<std::string> Text(absl::string_view field) const;
  // A string that may be empty.
  absl::StatusOr<std::string> String(absl::string_view field) const;
  // An array of strings, none of them blank, at least one.
  absl::StatusOr<std::vector<std::string>> Texts(absl::string_view field) const;
  // Whether the field is there and an array.
  bool IsArray(absl::string_view field) const;
  // A string, or an array of strings.
  absl::StatusOr<std::vector<std::string>> TextOrTexts(absl::string_view field) const;
  // An integer within [low, high].
  absl::StatusOr<int> Integer(absl::string_view field, int low, int high) const;
  // An array of integers within [low, high], at least one.
  absl::StatusOr<std::vector<int>> Integers(absl::string_view field, int low, int high) const;
  // A nested object.
  absl::StatusOr<Record> Object(absl::string_view field) const;
  // An array of nested objects, at least one.
  absl::StatusOr<std::vector<Record>> Objects(absl::string_view field) const;

  bool Has(absl::string_view field) const;

  // An error about `field` in the form above.
  absl::Status Error(absl::string_view field, absl::string_view what) const;

 private:
  Record(const nlohmann::json& object, std::string name, std::string prefix)
      : object_(object), name_(std::move(name)), prefix_(std::move(prefix)) {}

  absl::StatusOr<const nlohmann::json*> Find(absl::string_view field) const;
  absl::StatusOr<const nlohmann::json*> FindArray(absl::string_view field) const;
  absl::StatusOr<std::string> TextOf(const nlohmann::json& value, absl::string_view field) const;
  absl::StatusOr<int> IntegerOf(const nlohmann::json& value, absl::string_view field, int low,
                                int high) const;
  absl::Status WrongType(absl::string_view field, const nlohmann::json& found,
                         absl::string_view expected) const;

  const nlohmann::json& object_;
  std::string name_;
  std::string prefix_;  // path of a nested object, e.g. "mc1_targets."
};

}  // namespace rwku::dataset
