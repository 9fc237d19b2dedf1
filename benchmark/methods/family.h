// What a model family calls its parts.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rwku::methods {

// The families that methods know, by model_type of config.json.
const std::vector<std::string>& Families();

// The projections of a decoder layer that can have adapters, by their names in transformers. An
// unknown family has those of Llama.
const std::vector<std::string>& Projections(absl::string_view family);

// Where the paper puts its adapters: the query and value projections, or what holds them.
std::vector<std::string> DefaultLoraModules(absl::string_view family);

}  // namespace rwku::methods
