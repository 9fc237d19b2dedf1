// The header of a safetensors file, from bytes to checked entries.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <c10/core/ScalarType.h>
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "worker/engine/model/safetensors.h"

namespace rwku::engine {

namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr size_t kMaxDimensions = 16;
constexpr absl::string_view kMetadataKey = "__metadata__";

struct DtypeName {
  absl::string_view name;
  at::ScalarType type;
};

constexpr std::array<DtypeName, 15> kDtypes = {{
    {"BOOL", at::ScalarType::Bool},
    {"U8", at::ScalarType::Byte},
    {"I8", at::ScalarType::Char},
    {"F8_E5M2", at::ScalarType::Float8_e5m2},
    {"F8_E4M3", at::ScalarType::Float8_e4m3fn},
    {"I16", at::ScalarType::Short},
    {"U16", at::ScalarType::UInt16},
    {"F16", at::ScalarType::Half},
    {"BF16", at::ScalarType::BFloat16},
    {"I32", at::ScalarType::Int},
    {"U32", at::ScalarType::UInt32},
    {"F32", at::ScalarType::Float},
    {"I64", at::ScalarType::Long},
    {"U64", at::ScalarType::UInt64},
    {"F64", at::ScalarType::Double},
}};

// Builds the entries while the JSON is read. Nothing nests deeper than root > tensor > list, so
// depth is bounded by refusing everything else.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(SafetensorsHeader& header, absl::string_view file) : header_(header), file_(file) {}

  absl::Status status() const { return status_; }

  bool start_object(std::size_t /*elements*/) override {
    if (level_ == Level::kOutside) {
      level_ = Level::kRoot;
      return true;
    }
    if (level_ == Level::kRoot && !name_.empty_value) {
      level_ = in_metadata() ? Level::kMetadata : Level::kTensor;
      entry_ = SafetensorsEntry{};
      has_dtype_ = has_shape_ = has_offsets_ = false;
      return true;
    }
    return Fail("an object where none may stand");
  }

  bool key(string_t& value) override {
    switch (level_) {
      case Level::kRoot:
        name_ = {value, false};
        if (value == kMetadataKey ? has_metadata_ : header_.entries.contains(value)) {
          return Fail("it stands in the header twice");
        }
        return true;
      case Level::kMetadata:
        if (header_.metadata.contains(value)) {
          return Fail(absl::StrCat("key '", value, "' stands there twice"));
        }
        field_ = value;
        return true;
      case Level::kTensor:
        field_ = value;
        if ((field_ == "dtype" && has_dtype_) || (field_ == "shape" && has_shape_) ||
            (field_ == "data_offsets" && has_offsets_)) {
          return Fail(absl::StrCat("field '", field_, "' stands there twice"));
        }
        if (field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") {
          return Fail(
              absl::StrCat("unknown field '", field_, "'; allowed are dtype, shape, data_offsets"));
        }
        return true;
      default:
        return Fail("a key where none may stand");
    }
  }

  bool end_object() override {
    if (level_ == Level::kMetadata) {
      has_metadata_ = true;
      level_ = Level::kRoot;
      return true;
    }
    if (level_ == Level::kTensor) {
      if (!has_dtype_ || !has_shape_ || !has_offsets_) {
        return Fail("dtype, shape and data_offsets must all be given");
      }
      header_.entries.emplace(name_.text, std::move(entry_));
      level_ = Level::kRoot;
      return true;
    }
    level_ = Level::kOutside;
    return true;
  }

  bool start_array(std::size_t /*elements*/) override {
    if (level_ != Level::kTensor || (field_ != "shape" && field_ != "data_offsets")) {
      return Fail("a list where none may stand");
    }
    level_ = Level::kList;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    level_ = Level::kTensor;
    if (field_ == "data_offsets") {
      if (numbers_.size() != 2) {
        return Fail(absl::StrCat("data_offsets has ", numbers_.size(), " numbers, not 2"));
      }
      entry_.begin = numbers_[0];
      entry_.end = numbers_[1];
      has_offsets_ = true;
      return true;
    }
    if (numbers_.size() > kMaxDimensions) {
      return Fail(absl::StrCat("shape has more than ", kMaxDimensions, " dimensions"));
    }
    for (const uint64_t size : numbers_) {
      if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Fail(absl::StrCat("dimension ", size, " is too large"));
      }
      entry_.shape.push_back(static_cast<int64_t>(size));
    }
    has_shape_ = true;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::kList) {
      return Fail("a number where none may stand");
    }
    // Bounds the memory of a hostile list; a longer one is refused at its end anyway.
    if (numbers_.size() <= kMaxDimensions) {
      numbers_.push_back(value);
    }
    return true;
  }

  bool string(string_t& value) override {
    if (level_ == Level::kMetadata) {
      header_.metadata.emplace(field_, value);
      return true;
    }
    if (level_ != Level::kTensor || field_ != "dtype") {
      return Fail("a string where none may stand");
    }
    const auto* found = std::find_if(kDtypes.begin(), kDtypes.end(),
                                     [&](const DtypeName& dtype) { return dtype.name == value; });
    if (found == kDtypes.end()) {
      return Fail(absl::StrCat("unknown dtype '", value.substr(0, 40), "'"));
    }
    entry_.dtype = found->type;
    has_dtype_ = true;
    return true;
  }

  bool number_integer(number_integer_t value) override {
    return Fail(absl::StrCat("negative number ", value));
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    return Fail(absl::StrCat("number ", text.substr(0, 40), " is not a 64-bit whole number"));
  }
  bool null() override { return Fail("null"); }
  bool boolean(bool /*value*/) override { return Fail("true or false"); }
  bool binary(binary_t& /*value*/) override { return Fail("binary data"); }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(file_, ": the header is no JSON (byte ", position, " of it)"));
    return false;
  }

 private:
  enum class Level { kOutside, kRoot, kMetadata, kTensor, kList };
  struct Name {
    std::string text;
    bool empty_value = true;  // no key was read yet
  };

  bool in_metadata() const { return name_.text == kMetadataKey; }

  bool Fail(absl::string_view what) {
    status_ = absl::InvalidArgumentError(
        name_.empty_value ? absl::StrCat(file_, ": header: ", what)
                          : absl::StrCat(file_, ": tensor '", name_.text, "': ", what));
    return false;
  }

  SafetensorsHeader& header_;
  const absl::string_view file_;
  absl::Status status_;
  Level level_ = Level::kOutside;
  Name name_;
  std::string field_;
  SafetensorsEntry entry_;
  std::vector<uint64_t> numbers_;
  bool has_metadata_ = false;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
};

// Shape x element size, or nothing when it overflows.
std::optional<uint64_t> ByteCount(const SafetensorsEntry& entry) {
  uint64_t bytes = c10::elementSize(entry.dtype);
  for (const int64_t size : entry.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

absl::Status CheckEntry(const std::string& name, const SafetensorsEntry& entry, uint64_t data_size,
                        absl::string_view file) {
  const auto fail = [&](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": tensor '", name, "': ", what...));
  };
  if (entry.begin > entry.end || entry.end > data_size) {
    return fail("data_offsets [", entry.begin, ", ", entry.end, "] are not within the ", data_size,
                " bytes of data");
  }
  const std::optional<uint64_t> bytes = ByteCount(entry);
  if (!bytes) {
    return fail("the product of its shape overflows");
  }
  if (*bytes != entry.end - entry.begin) {
    return fail("shape and dtype need ", *bytes, " bytes, data_offsets hold ",
                entry.end - entry.begin);
  }
  return absl::OkStatus();
}

// Every byte of the data belongs to exactly one tensor.
absl::Status CheckCoverage(const SafetensorsHeader& header, uint64_t data_size,
                           absl::string_view file) {
  std::vector<const std::pair<const std::string, SafetensorsEntry>*> order;
  order.reserve(header.entries.size());
  for (const auto& item : header.entries) {
    order.push_back(&item);
  }
  std::sort(order.begin(), order.end(), [](const auto* left, const auto* right) {
    return std::pair(left->second.begin, left->second.end) <
           std::pair(right->second.begin, right->second.end);
  });
  uint64_t covered = 0;
  for (const auto* item : order) {
    if (item->second.begin != covered) {
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": tensor '", item->first, "': data_offsets begin at ", item->second.begin,
          " where the tensor before ends at ", covered, "; gaps and overlaps are not allowed"));
    }
    covered = item->second.end;
  }
  if (covered != data_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": ", data_size, " bytes of data, but ", covered, " belong to tensors"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view prefix,
                                                         uint64_t file_size,
                                                         absl::string_view file) {
  if (prefix.size() < kLengthBytes || file_size < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": ", file_size, " bytes are too few for a safetensors file"));
  }
  uint64_t length = 0;
  std::memcpy(&length, prefix.data(), kLengthBytes);  // little-endian, as this machine is
  if (length > kMaxSafetensorsHeaderBytes || length > file_size - kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": header length ", length, " exceeds the allowed ",
                     std::min(kMaxSafetensorsHeaderBytes, file_size - kLengthBytes)));
  }
  if (prefix.size() - kLengthBytes < length) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": the header is cut off"));
  }
  const absl::string_view json = prefix.substr(kLengthBytes, length);
  if (json.empty() || json[0] != '{') {
    return absl::InvalidArgumentError(absl::StrCat(file, ": the header does not begin with '{'"));
  }
  // The parser takes a NUL for the end, and would leave what follows unread.
  if (const size_t nul = json.find('\0'); nul != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": the header is no JSON (byte ", nul, " of it is NUL)"));
  }
  SafetensorsHeader header;
  header.data_offset = kLengthBytes + length;
  HeaderReader reader(header, file);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) {
    return reader.status();
  }
  const uint64_t data_size = file_size - header.data_offset;
  for (const auto& [name, entry] : header.entries) {
    RWKU_RETURN_IF_ERROR(CheckEntry(name, entry, data_size, file));
  }
  RWKU_RETURN_IF_ERROR(CheckCoverage(header, data_size, file));
  return header;
}

}  // namespace rwku::engine
