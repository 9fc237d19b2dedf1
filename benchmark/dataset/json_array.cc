#include "benchmark/dataset/json_array.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "base/status_macros.h"

namespace rwku::dataset {
namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;

bool IsSpace(int c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::string Shown(int c) {
  if (c < 0) {
    return "the end of the file";
  }
  if (c >= 0x20 && c < 0x7F) {
    return absl::StrCat("\"", std::string(1, static_cast<char>(c)), "\"");
  }
  return absl::StrFormat("byte 0x%02X", static_cast<unsigned>(c));
}

}  // namespace

JsonArrayReader::JsonArrayReader(const std::filesystem::path& path, std::string name)
    : stream_(path, std::ios::binary), name_(std::move(name)) {}

int JsonArrayReader::Peek() {
  if (used_ == buffer_.size()) {
    consumed_ += used_;
    used_ = 0;
    buffer_.resize(kChunkBytes);
    stream_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.resize(static_cast<size_t>(stream_.gcount()));
    if (buffer_.empty()) {
      return -1;
    }
  }
  return static_cast<unsigned char>(buffer_[used_]);
}

void JsonArrayReader::SkipSpaces() {
  while (IsSpace(Peek())) {
    Skip();
  }
}

absl::Status JsonArrayReader::Error(absl::string_view what) const {
  if (stream_.bad()) {
    return absl::InternalError(absl::StrCat(name_, ": reading failed"));
  }
  return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
}

absl::StatusOr<bool> JsonArrayReader::Next(std::string* text, ElementSpan* span) {
  if (place_ == Place::kStart) {
    if (!stream_.is_open()) {
      return absl::NotFoundError(absl::StrCat(name_, ": cannot be opened"));
    }
    for (const int mark : {0xEF, 0xBB, 0xBF}) {  // a byte order mark, as some editors leave it
      if (Peek() == mark) {
        Skip();
      }
    }
    SkipSpaces();
    if (const int c = Peek(); c != '[') {
      return Error(absl::StrCat("found ", Shown(c), ", expected a JSON array"));
    }
    Skip();
    place_ = Place::kFirstElement;
  }
  if (place_ == Place::kEnd) {
    return false;
  }
  SkipSpaces();
  if (place_ == Place::kFirstElement) {
    if (Peek() == ']') {
      RWKU_RETURN_IF_ERROR(ReadEnd());
      return false;
    }
    place_ = Place::kNextElement;
  }
  span->offset = consumed_ + used_;
  RWKU_RETURN_IF_ERROR(ReadElement(text));
  span->length = consumed_ + used_ - span->offset;
  span->index = next_index_++;
  if (Peek() == ',') {
    Skip();
  } else {
    RWKU_RETURN_IF_ERROR(ReadEnd());
  }
  return true;
}

absl::Status JsonArrayReader::ReadElement(std::string* text) {
  text->clear();
  int depth = 1;  // of the array itself
  bool in_string = false;
  bool escaped = false;
  bool ended = false;
  while (!ended) {
    if (Peek() < 0) {
      return Error(absl::StrCat("record ", next_index_, ": the file ends within it"));
    }
    // Looks through what is buffered and takes it over in one piece: these files are large.
    const size_t start = used_;
    for (; used_ < buffer_.size(); ++used_) {
      const char c = buffer_[used_];
      if (in_string) {
        in_string = escaped || c != '"';
        escaped = !escaped && c == '\\';
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        if (++depth > kMaxJsonDepth) {
          return Error(
              absl::StrCat("record ", next_index_, ": nested deeper than ", kMaxJsonDepth));
        }
      } else if (depth > 1 && (c == '}' || c == ']')) {
        --depth;
      } else if (depth == 1 && (c == ',' || c == ']')) {
        ended = true;
        break;
      }
    }
    text->append(buffer_, start, used_ - start);
    if (text->size() > kMaxElementBytes) {
      return Error(absl::StrCat("record ", next_index_, ": longer than ", kMaxElementBytes,
                                " bytes, the most that is allowed"));
    }
  }
  if (text->empty()) {
    return Error(absl::StrCat("record ", next_index_, ": found ", Shown(Peek()),
                              ", expected a JSON object"));
  }
  return absl::OkStatus();
}

absl::Status JsonArrayReader::ReadEnd() {
  Skip();  // the closing bracket
  SkipSpaces();
  if (const int c = Peek(); c >= 0) {
    return Error(absl::StrCat("found ", Shown(c), " after the end of the array"));
  }
  place_ = Place::kEnd;
  return stream_.bad() ? Error("") : absl::OkStatus();
}

absl::StatusOr<std::string> ReadSpan(std::ifstream& stream, const ElementSpan& span,
                                     absl::string_view name) {
  std::string text(span.length, '\0');
  stream.clear();
  stream.seekg(static_cast<std::streamoff>(span.offset));
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream || stream.gcount() != static_cast<std::streamsize>(text.size())) {
    return absl::InternalError(
        absl::StrCat(name, ": record ", span.index, " cannot be read any more"));
  }
  return text;
}

}  // namespace rwku::dataset
