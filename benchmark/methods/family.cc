#include "benchmark/methods/family.h"

namespace rwku::methods {
namespace {

bool FusesProjections(absl::string_view family) { return family == "phi3"; }

}  // namespace

const std::vector<std::string>& Families() {
  static const auto* const families =
      new std::vector<std::string>{"llama", "mistral", "phi3", "qwen2"};
  return *families;
}

const std::vector<std::string>& Projections(absl::string_view family) {
  static const auto* const separate = new std::vector<std::string>{
      "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
  static const auto* const fused =
      new std::vector<std::string>{"qkv_proj", "o_proj", "gate_up_proj", "down_proj"};
  return FusesProjections(family) ? *fused : *separate;
}

std::vector<std::string> DefaultLoraModules(absl::string_view family) {
  if (FusesProjections(family)) {
    return {"qkv_proj"};
  }
  return {"q_proj", "v_proj"};
}

}  // namespace rwku::methods
