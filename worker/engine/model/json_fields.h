// Fields of a JSON object, read with errors that name the file, the field and what is allowed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

namespace rwku::engine {

// Reads fields of one JSON object; the first error stands. What it is given must outlive it.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, absl::string_view file, absl::string_view prefix)
      : object_(object), file_(file), prefix_(prefix) {}

  bool Has(const char* name) const {
    const auto found = object_.find(name);
    return found != object_.end() && !found->is_null();
  }
  // Written as null, which is not the same as left out where the default is another.
  bool IsNull(const char* name) const {
    const auto found = object_.find(name);
    return found != object_.end() && found->is_null();
  }
  const nlohmann::json& Raw(const char* name) const { return object_.at(name); }

  int64_t Integer(const char* name, std::optional<int64_t> fallback) {
    if (!Has(name)) {
      return fallback ? *fallback : (Fail(name, "is missing", "a whole number"), 0);
    }
    const nlohmann::json& value = Raw(name);
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX})) {
      Fail(name, absl::StrCat("is ", Short(value)), "a whole number");
      return 0;
    }
    return value.get<int64_t>();
  }

  double Number(const char* name, std::optional<double> fallback) {
    if (!Has(name)) {
      return fallback ? *fallback : (Fail(name, "is missing", "a number"), 0.0);
    }
    if (!Raw(name).is_number()) {
      Fail(name, absl::StrCat("is ", Short(Raw(name))), "a number");
      return 0;
    }
    return Raw(name).get<double>();
  }

  bool Boolean(const char* name, bool fallback) {
    if (!Has(name)) {
      return fallback;
    }
    if (!Raw(name).is_boolean()) {
      Fail(name, absl::StrCat("is ", Short(Raw(name))), "true or false");
      return fallback;
    }
    return Raw(name).get<bool>();
  }

  std::string Text(const char* name, absl::string_view fallback) {
    if (!Has(name)) {
      return std::string(fallback);
    }
    if (!Raw(name).is_string()) {
      Fail(name, absl::StrCat("is ", Short(Raw(name))), "a string");
      return std::string(fallback);
    }
    return Raw(name).get<std::string>();
  }

  std::vector<double> Numbers(const char* name) {
    const bool is_list = Has(name) && Raw(name).is_array() &&
                         std::all_of(Raw(name).begin(), Raw(name).end(),
                                     [](const nlohmann::json& value) { return value.is_number(); });
    if (!is_list) {
      Fail(name, Has(name) ? "is something else" : "is missing", "a list of numbers");
      return {};
    }
    return Raw(name).get<std::vector<double>>();
  }

  void Fail(const char* name, absl::string_view found, absl::string_view allowed) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat(file_, ": ", prefix_, name, " ", found, "; allowed is ", allowed));
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  static std::string Short(const nlohmann::json& value) {
    if (value.is_structured()) {
      return value.is_array() ? "a list" : "an object";
    }
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 60);
  }

  const nlohmann::json& object_;
  const absl::string_view file_;
  const absl::string_view prefix_;
  absl::Status status_;
};

}  // namespace rwku::engine
