#include "benchmark/dataset/record.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"

namespace rwku::dataset {
namespace {

using nlohmann::json;

constexpr size_t kMaxParserMessage = 200;  // bytes; the parser quotes what it read last

// Checks the syntax and keeps one string field of the outermost object.
class FieldScanner final : public nlohmann::json_sax<json> {
 public:
  explicit FieldScanner(absl::string_view field) : field_(field) {}

  bool null() override { return Value("null"); }
  bool boolean(bool) override { return Value("boolean"); }
  bool number_integer(number_integer_t) override { return Value("number"); }
  bool number_unsigned(number_unsigned_t) override { return Value("number"); }
  bool number_float(number_float_t, const string_t&) override { return Value("number"); }
  bool binary(binary_t&) override { return Value("binary"); }
  bool string(string_t& value) override {
    if (wanted_) {
      value_ = value;
    }
    return Value("string");
  }
  bool start_object(std::size_t) override { return Open("object"); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open("array"); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    wanted_ = depth_ == 1 && name == field_;
    if (wanted_) {
      value_.reset();
    }
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    error_ = error.what();
    return false;
  }

  const std::string& error() const { return error_; }
  absl::string_view outermost() const { return outermost_; }
  absl::string_view found() const { return found_; }
  std::optional<std::string>& value() { return value_; }

 private:
  bool Value(absl::string_view type) {
    if (depth_ == 0) {
      outermost_ = type;
    }
    if (wanted_) {
      found_ = type;
    }
    wanted_ = false;
    return true;
  }
  bool Open(absl::string_view type) {
    Value(type);
    ++depth_;
    return true;
  }
  bool Close() {
    --depth_;
    return true;
  }

  absl::string_view field_;
  int depth_ = 0;
  bool wanted_ = false;
  absl::string_view outermost_ = "nothing";
  absl::string_view found_ = "nothing";
  std::optional<std::string> value_;
  std::string error_;
};

// The parser's message without its own error code, and short.
std::string ParserMessage(absl::string_view message) {
  if (const size_t end = message.find("] "); end != absl::string_view::npos) {
    message.remove_prefix(end + 2);
  }
  if (message.size() > kMaxParserMessage) {
    return absl::StrCat(message.substr(0, kMaxParserMessage), "...");
  }
  return std::string(message);
}

absl::Status Scan(absl::string_view text, absl::string_view name, FieldScanner* scanner) {
  if (!json::sax_parse(text.begin(), text.end(), scanner)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", ParserMessage(scanner->error())));
  }
  if (scanner->outermost() != "object") {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": found ", scanner->outermost(), ", expected object"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string RecordName(absl::string_view file, size_t index) {
  return absl::StrCat(file, ": record ", index);
}

absl::StatusOr<std::string> ScanField(absl::string_view text, absl::string_view field,
                                      absl::string_view name) {
  FieldScanner scanner(field);
  RWKU_RETURN_IF_ERROR(Scan(text, name, &scanner));
  if (!scanner.value().has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": field \"", field, "\": found ",
                                                   scanner.found(), ", expected string"));
  }
  return *std::move(scanner.value());
}

absl::StatusOr<json> ParseObject(absl::string_view text, absl::string_view name) {
  // The first pass is there for the message: without exceptions the second gives none.
  FieldScanner scanner("");
  RWKU_RETURN_IF_ERROR(Scan(text, name, &scanner));
  json value = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": not JSON"));
  }
  return value;
}

absl::Status Record::Error(absl::string_view field, absl::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat(name_, ": field \"", prefix_, field, "\": ", what));
}

absl::Status Record::WrongType(absl::string_view field, const json& found,
                               absl::string_view expected) const {
  return Error(field, absl::StrCat("found ", found.type_name(), ", expected ", expected));
}

bool Record::Has(absl::string_view field) const { return object_.contains(std::string(field)); }

absl::StatusOr<const json*> Record::Find(absl::string_view field) const {
  const auto found = object_.find(std::string(field));
  if (found == object_.end()) {
    return Error(field, "is missing");
  }
  return &*found;
}

absl::StatusOr<const json*> Record::FindArray(absl::string_view field) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, Find(field));
  if (!value->is_array()) {
    return WrongType(field, *value, "array");
  }
  if (value->empty()) {
    return Error(field, "found an empty array, expected at least one entry");
  }
  return value;
}

absl::StatusOr<std::string> Record::TextOf(const json& value, absl::string_view field) const {
  if (!value.is_string()) {
    return WrongType(field, value, "string");
  }
  const auto& text = value.get_ref<const std::string&>();
  if (absl::StripAsciiWhitespace(text).empty()) {
    return Error(field, "found a blank string, expected text");
  }
  return text;
}

absl::StatusOr<int> Record::IntegerOf(const json& value, absl::string_view field, int low,
                                      int high) const {
  if (!value.is_number_integer()) {
    return WrongType(field, value, "integer");
  }
  // An unsigned above the signed range must not wrap into the allowed one.
  const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t{INT32_MAX};
  if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high) {
    return Error(field, absl::StrCat("found ", value.dump(), ", allowed: ", low, " to ", high));
  }
  return static_cast<int>(value.get<int64_t>());
}

absl::StatusOr<std::string> Record::Text(absl::string_view field) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, Find(field));
  return TextOf(*value, field);
}

absl::StatusOr<std::string> Record::String(absl::string_view field) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, Find(field));
  if (!value->is_string()) {
    return WrongType(field, *value, "string");
  }
  return value->get<std::string>();
}

absl::StatusOr<std::vector<std::string>> Record::Texts(absl::string_view field) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, FindArray(field));
  std::vector<std::string> texts;
  texts.reserve(value->size());
  for (const json& entry : *value) {
    RWKU_ASSIGN_OR_RETURN(std::string text,
                          TextOf(entry, absl::StrCat(field, "[", texts.size(), "]")));
    texts.push_back(std::move(text));
  }
  return texts;
}

bool Record::IsArray(absl::string_view field) const {
  const absl::StatusOr<const json*> value = Find(field);
  return value.ok() && (*value)->is_array();
}

absl::StatusOr<std::vector<std::string>> Record::TextOrTexts(absl::string_view field) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, Find(field));
  if (value->is_array()) {
    return Texts(field);
  }
  RWKU_ASSIGN_OR_RETURN(std::string text, TextOf(*value, field));
  return std::vector<std::string>{std::move(text)};
}

absl::StatusOr<int> Record::Integer(absl::string_view field, int low, int high) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, Find(field));
  return IntegerOf(*value, field, low, high);
}

absl::StatusOr<std::vector<int>> Record::Integers(absl::string_view field, int low,
                                                  int high) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, FindArray(field));
  std::vector<int> integers;
  integers.reserve(value->size());
  for (const json& entry : *value) {
    RWKU_ASSIGN_OR_RETURN(
        const int integer,
        IntegerOf(entry, absl::StrCat(field, "[", integers.size(), "]"), low, high));
    integers.push_back(integer);
  }
  return integers;
}

absl::StatusOr<Record> Record::Object(absl::string_view field) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, Find(field));
  if (!value->is_object()) {
    return WrongType(field, *value, "object");
  }
  return Record(*value, name_, absl::StrCat(prefix_, field, "."));
}

absl::StatusOr<std::vector<Record>> Record::Objects(absl::string_view field) const {
  RWKU_ASSIGN_OR_RETURN(const json* value, FindArray(field));
  std::vector<Record> objects;
  objects.reserve(value->size());
  for (const json& entry : *value) {
    const std::string path = absl::StrCat(field, "[", objects.size(), "]");
    if (!entry.is_object()) {
      return WrongType(path, entry, "object");
    }
    objects.push_back(Record(entry, name_, absl::StrCat(prefix_, path, ".")));
  }
  return objects;
}

}  // namespace rwku::dataset
