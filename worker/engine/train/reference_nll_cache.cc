#include "worker/engine/train/reference_nll_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"

namespace rwku::engine {
namespace {

constexpr size_t kCheckDigits = 16;

std::string CheckOf(absl::string_view record) { return Sha256Hex(record).substr(0, kCheckDigits); }

std::string LineOf(const ReferenceNllCache::Entry& entry) {
  const std::string record = absl::StrCat(
      entry.first, " ", absl::Hex(std::bit_cast<uint64_t>(entry.second), absl::kZeroPad16));
  return absl::StrCat(record, " ", CheckOf(record), "\n");
}

std::optional<ReferenceNllCache::Entry> EntryOf(absl::string_view line) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
  constexpr size_t kParts = 3;
  uint64_t bits = 0;
  if (parts.size() != kParts || !absl::SimpleHexAtoi(parts[1], &bits) ||
      CheckOf(absl::StrCat(parts[0], " ", parts[1])) != parts[2]) {
    return std::nullopt;
  }
  const auto value = std::bit_cast<double>(bits);
  return std::isfinite(value) ? std::optional(ReferenceNllCache::Entry(parts[0], value))
                              : std::nullopt;
}

// One write(2) to the end of the file, so that processes do not mix their lines.
absl::Status Append(const std::filesystem::path& path, absl::string_view lines) {
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const auto error = [&path] {
    return absl::UnavailableError(absl::StrCat(path.string(), ": ", std::strerror(errno)));
  };
  if (file < 0) {
    return error();
  }
  const ssize_t written = write(file, lines.data(), lines.size());
  absl::Status status;
  if (written < 0) {
    status = error();
  } else if (static_cast<size_t>(written) != lines.size()) {
    status = absl::UnavailableError(
        absl::StrCat(path.string(), ": ", written, " of ", lines.size(), " bytes were written"));
  }
  close(file);
  return status;
}

}  // namespace

std::string ReferenceNllCache::Key(absl::string_view weights_checksum,
                                   absl::string_view computed_in,
                                   const TrainingSequence& sequence) {
  std::string bytes = absl::StrCat(weights_checksum, " ", computed_in);
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    absl::StrAppend(&bytes, " ", sequence.tokens[i], sequence.is_label[i] ? "*" : "");
  }
  return Sha256Hex(bytes);
}

std::filesystem::path ReferenceNllCache::FileOf(const std::string& weights_checksum) const {
  return folder_ / absl::StrCat("reference-nll-", weights_checksum, ".txt");
}

void ReferenceNllCache::Open(const std::string& weights_checksum) {
  if (folder_.empty() || !opened_.insert(weights_checksum).second) {
    return;
  }
  const std::filesystem::path path = FileOf(weights_checksum);
  const absl::StatusOr<std::string> contents = ReadFile(path);
  if (!contents.ok()) {
    if (!absl::IsNotFound(contents.status())) {
      RWKU_LOG(kWarning, "cannot read the reference log-probabilities")
          .With("error", contents.status().ToString());
    }
    return;
  }
  int number = 0;
  int ignored = 0;
  int first_ignored = 0;
  for (const absl::string_view line : absl::StrSplit(*contents, '\n')) {
    ++number;
    if (line.empty()) {
      continue;
    }
    if (std::optional<Entry> entry = EntryOf(line); entry.has_value()) {
      values_.insert(*std::move(entry));
    } else if (++ignored == 1) {
      first_ignored = number;
    }
  }
  if (ignored > 0) {
    RWKU_LOG(kWarning, "ignores records of the reference log-probabilities: torn or foreign")
        .With("file", path.string())
        .With("records", ignored)
        .With("first_line", first_ignored);
  }
}

std::optional<double> ReferenceNllCache::Find(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

void ReferenceNllCache::Insert(const std::string& weights_checksum,
                               const std::vector<Entry>& entries) {
  // A torn line of an earlier process must not swallow the next one: each append begins a line.
  std::string lines = "\n";
  for (const Entry& entry : entries) {
    values_.insert(entry);
    lines += LineOf(entry);
  }
  if (folder_.empty() || entries.empty()) {
    return;
  }
  std::error_code ignored;  // the append below says what is wrong
  std::filesystem::create_directories(folder_, ignored);
  if (const absl::Status status = Append(FileOf(weights_checksum), lines); !status.ok()) {
    RWKU_LOG(kWarning, "cannot keep the reference log-probabilities")
        .With("error", status.ToString());
  }
}

}  // namespace rwku::engine
