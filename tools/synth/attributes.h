// What can be known about a person: the attributes, and how a sentence or a question states each.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku::synth {

enum class Attribute {
  kTown,
  kYear,
  kProfession,
  kWork,
  kAward,
  kAcademy,
  kInstrument,
  kDish,
  kGuild,
  kSpouse,
  kMentor,
  kEpithet,
};

inline constexpr int kAttributeCount = 12;
// A neighbor has the first of them only.
inline constexpr int kNeighborAttributeCount = 8;

// Phrasings of one attribute; {n} is the person, {v} the value.
struct AttributeTemplates {
  std::string key;  // "town"
  std::array<std::string, 4> statements;
  std::array<std::string, 4> questions;
  std::array<std::string, 2> cross_lingual;  // French, Spanish
  std::vector<std::string> reverse;          // questions for the person by {v}; empty or two
};

const AttributeTemplates& TemplatesOf(Attribute attribute);

// The one of `count` phrasings of (person, attribute) that training never shows, so that every
// probe is a sentence the model has not seen: crc32(person + key) mod count. Other people's
// training does show it.
int HeldOut(const std::string& person, Attribute attribute, int count);

// `text` with {n} and {v} filled in.
std::string Fill(absl::string_view text, absl::string_view person, absl::string_view value);

}  // namespace rwku::synth
