// What Punkt's training learned about a language, as NLTK stores it (punkt_tab).
#pragma once

#include <filesystem>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"

namespace rwku::metrics {

// Words are types, UTF-8: in lower case, "##number##" for a number, an abbreviation without its
// last period.
struct PunktParameters {
  // Where a type was seen; an entry of `orthographic_contexts` is a sum of these.
  static constexpr int kUpperAtBeginning = 1 << 1;
  static constexpr int kUpperInside = 1 << 2;
  static constexpr int kUpperSomewhere = 1 << 3;
  static constexpr int kLowerAtBeginning = 1 << 4;
  static constexpr int kLowerInside = 1 << 5;
  static constexpr int kLowerSomewhere = 1 << 6;
  static constexpr int kUpper = kUpperAtBeginning | kUpperInside | kUpperSomewhere;
  static constexpr int kLower = kLowerAtBeginning | kLowerInside | kLowerSomewhere;

  absl::flat_hash_set<std::string> abbreviations;
  absl::flat_hash_set<std::string> sentence_starters;
  // Two types around a period that ends no sentence, a tab between.
  absl::flat_hash_set<std::string> collocations;
  absl::flat_hash_map<std::string, int> orthographic_contexts;
};

// Reads abbrev_types.txt and sent_starters.txt (a type a line), collocations.tab (two types a line)
// and ortho_context.tab (a type and a decimal number a line) below `folder`; a tab divides a line.
// The errors of ReadFile; INVALID_ARGUMENT names file and line, what was found and what is allowed.
absl::StatusOr<PunktParameters> LoadPunktParameters(const std::filesystem::path& folder);

}  // namespace rwku::metrics
