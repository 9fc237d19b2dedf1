#include "benchmark/metrics/punkt_parameters.h"

#include <functional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "base/file.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace rwku::metrics {
namespace {

using Fields = std::vector<absl::string_view>;

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8CharacterLength(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

// Calls `read` with the fields of each line of `path`, all of which have `field_count`, none empty.
// What it returns as wrong, if not empty, becomes an error that names the line.
absl::Status ReadLines(const std::filesystem::path& path, size_t field_count,
                       const std::function<std::string(const Fields&)>& read) {
  RWKU_ASSIGN_OR_RETURN(const std::string contents, ReadFile(path));
  if (contents.empty()) {
    return absl::OkStatus();
  }
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(absl::StripSuffix(contents, "\n"), '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    std::string problem;
    const Fields fields = absl::StrSplit(line, '\t');
    if (!IsUtf8(line)) {
      problem = "is not UTF-8";
    } else if (fields.size() != field_count) {
      problem = absl::StrCat("has ", fields.size(), fields.size() == 1 ? " field" : " fields",
                             " between tabs, allowed are ", field_count);
    } else if (absl::c_linear_search(fields, "")) {
      problem = "has an empty field, allowed are words";
    } else {
      problem = read(fields);
    }
    if (!problem.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path.string(), ", line ", number, ": \"", line, "\" ", problem));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::flat_hash_set<std::string>> ReadTypes(const std::filesystem::path& path,
                                                           size_t types_a_line) {
  absl::flat_hash_set<std::string> types;
  RWKU_RETURN_IF_ERROR(ReadLines(path, types_a_line, [&](const Fields& fields) {
    types.insert(absl::StrJoin(fields, "\t"));
    return std::string();
  }));
  return types;
}

}  // namespace

absl::StatusOr<PunktParameters> LoadPunktParameters(const std::filesystem::path& folder) {
  PunktParameters parameters;
  RWKU_ASSIGN_OR_RETURN(parameters.abbreviations, ReadTypes(folder / "abbrev_types.txt", 1));
  RWKU_ASSIGN_OR_RETURN(parameters.sentence_starters, ReadTypes(folder / "sent_starters.txt", 1));
  RWKU_ASSIGN_OR_RETURN(parameters.collocations, ReadTypes(folder / "collocations.tab", 2));
  RWKU_RETURN_IF_ERROR(ReadLines(folder / "ortho_context.tab", 2, [&](const Fields& fields) {
    constexpr int kAll = PunktParameters::kUpper | PunktParameters::kLower;
    int contexts = 0;
    if (!absl::SimpleAtoi(fields[1], &contexts) || (contexts & ~kAll) != 0) {
      return absl::StrCat("has the contexts \"", fields[1],
                          "\", allowed are even numbers from 0 to ", kAll);
    }
    parameters.orthographic_contexts[fields[0]] = contexts;
    return std::string();
  }));
  return parameters;
}

}  // namespace rwku::metrics
