#include "worker/engine/model/model_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "text/json_file.h"
#include "worker/engine/model/family.h"
#include "worker/engine/model/json_fields.h"

namespace rwku::engine {

namespace {

using nlohmann::json;

void ParseLongRope(JsonFields& fields, const std::string& type, RopeScaling& scaling) {
  // Older names of the same; transformers reads them so.
  if (type != "longrope" && type != "su" && type != "yarn") {
    fields.Fail("rope_type", absl::StrCat("is '", type, "'"), "longrope");
    return;
  }
  scaling.type = RopeScalingType::kLongRope;
  scaling.short_factor = fields.Numbers("short_factor");
  scaling.long_factor = fields.Numbers("long_factor");
  scaling.original_max_position_embeddings =
      fields.Integer("original_max_position_embeddings", scaling.original_max_position_embeddings);
  if (fields.Has("attention_factor")) {
    fields.Fail("attention_factor", "is given", "none: it follows from max_position_embeddings");
  }
}

absl::Status ParseRopeScaling(const json& object, absl::string_view field, absl::string_view file,
                              ModelConfig& config) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", field, " is no object"));
  }
  RopeScaling& scaling = config.rope_scaling;
  const std::string prefix = absl::StrCat(field, ".");
  JsonFields fields(object, file, prefix);
  // "type" is the older spelling; where both stand, transformers reads "rope_type".
  const std::string type = fields.Text("rope_type", fields.Text("type", "default"));
  if (type == "default") {
    return fields.status();
  }
  if (config.model_type == "phi3") {
    ParseLongRope(fields, type, scaling);
  } else if (type == "linear") {
    scaling.type = RopeScalingType::kLinear;
    scaling.factor = fields.Number("factor", std::nullopt);
  } else if (type == "llama3") {
    scaling.type = RopeScalingType::kLlama3;
    scaling.factor = fields.Number("factor", std::nullopt);
    scaling.low_freq_factor = fields.Number("low_freq_factor", std::nullopt);
    scaling.high_freq_factor = fields.Number("high_freq_factor", std::nullopt);
    scaling.original_max_position_embeddings =
        fields.Integer("original_max_position_embeddings", std::nullopt);
  } else {
    fields.Fail("rope_type", absl::StrCat("is '", type, "'"), "default, linear or llama3");
  }
  return fields.status();
}

void CheckPartialRotary(JsonFields& fields) {
  const double factor = fields.Number("partial_rotary_factor", 1.0);
  if (factor != 1) {
    fields.Fail("partial_rotary_factor", absl::StrCat("is ", factor), "1");
  }
}

// rope_scaling, or what transformers 5 writes: theta and scaling as one object.
absl::Status ParseRope(const json& object, absl::string_view file, ModelConfig& config) {
  JsonFields fields(object, file, "");
  config.rope_theta = fields.Number("rope_theta", 10000.0);
  CheckPartialRotary(fields);
  if (config.model_type == "phi3") {
    config.rope_scaling.original_max_position_embeddings =
        fields.Integer("original_max_position_embeddings", 4096);
  }
  RWKU_RETURN_IF_ERROR(fields.status());
  if (fields.Has("rope_scaling")) {
    RWKU_RETURN_IF_ERROR(
        ParseRopeScaling(fields.Raw("rope_scaling"), "rope_scaling", file, config));
  }
  if (fields.Has("rope_parameters")) {
    const json& parameters = fields.Raw("rope_parameters");
    RWKU_RETURN_IF_ERROR(ParseRopeScaling(parameters, "rope_parameters", file, config));
    JsonFields inner(parameters, file, "rope_parameters.");
    config.rope_theta = inner.Number("rope_theta", config.rope_theta);
    CheckPartialRotary(inner);
    RWKU_RETURN_IF_ERROR(inner.status());
  }
  return absl::OkStatus();
}

// Qwen2's layers are windowed one by one, and only where use_sliding_window says so.
void ParseLayerTypes(JsonFields& fields, ModelConfig& config) {
  if (!fields.Boolean("use_sliding_window", false)) {
    config.sliding_window.reset();
  }
  const int64_t first = fields.Integer("max_window_layers", 28);
  if (!fields.Has("layer_types")) {
    if (config.sliding_window) {
      for (int64_t i = 0; i < std::min<int64_t>(config.num_hidden_layers, 1024); ++i) {
        config.windowed_layers.push_back(i >= first);
      }
    }
    return;
  }
  const json& types = fields.Raw("layer_types");
  if (!types.is_array() || static_cast<int64_t>(types.size()) != config.num_hidden_layers) {
    fields.Fail("layer_types", "is something else", "a list of num_hidden_layers entries");
    return;
  }
  for (const json& type : types) {
    if (type != kFullAttention && type != kWindowedAttention) {
      fields.Fail("layer_types", "holds something else",
                  absl::StrCat(kFullAttention, " and ", kWindowedAttention));
      return;
    }
    if (type == kWindowedAttention && !config.sliding_window) {
      fields.Fail("layer_types", absl::StrCat("holds ", kWindowedAttention),
                  absl::StrCat(kFullAttention, " where use_sliding_window is not true"));
      return;
    }
    config.windowed_layers.push_back(type == kWindowedAttention);
  }
  if (!config.sliding_window) {
    config.windowed_layers.clear();
  }
}

void ParseWindow(JsonFields& fields, const Family& family, ModelConfig& config) {
  if (config.model_type != "llama" && !fields.IsNull("sliding_window")) {
    config.sliding_window = family.sliding_window;
    if (fields.Has("sliding_window")) {
      config.sliding_window = fields.Integer("sliding_window", std::nullopt);
    }
  }
  if (config.model_type == "qwen2") {
    ParseLayerTypes(fields, config);
  } else if (fields.Has("layer_types")) {
    fields.Fail("layer_types", "is given", absl::StrCat("none for ", config.model_type));
  }
}

std::vector<int64_t> ParseTokenIds(JsonFields& fields, const char* name) {
  if (!fields.Has(name)) {
    return {};
  }
  const json& value = fields.Raw(name);
  if (!value.is_array()) {
    return {fields.Integer(name, std::nullopt)};
  }
  std::vector<int64_t> ids;
  for (const json& id : value) {
    if (!id.is_number_integer()) {
      fields.Fail(name, "holds something else", "a token id or a list of them");
      return {};
    }
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

}  // namespace

int64_t ModelConfig::ParameterCount() const {
  const int64_t attention =
      2 * hidden_size * head_dim * (num_attention_heads + num_key_value_heads);
  const int64_t biases =
      HasQkvBias() ? head_dim * (num_attention_heads + 2 * num_key_value_heads) : 0;
  const int64_t mlp = 3 * hidden_size * intermediate_size;
  const int64_t embeddings = (tie_word_embeddings ? 1 : 2) * vocab_size * hidden_size;
  return num_hidden_layers * (attention + biases + mlp + 2 * hidden_size) + embeddings +
         hidden_size;
}

int64_t ModelConfig::Window(int64_t layer) const {
  const bool is_windowed = windowed_layers.empty() || windowed_layers[static_cast<size_t>(layer)];
  return sliding_window && is_windowed ? *sliding_window : 0;
}

bool ModelConfig::HasQkvBias() const {
  const Family* const family = FindFamily(model_type);
  return family != nullptr && family->has_qkv_bias;
}

bool ModelConfig::HasFusedProjections() const {
  const Family* const family = FindFamily(model_type);
  return family != nullptr && family->has_fused_projections;
}

namespace {

absl::Status CheckLongRope(const ModelConfig& config, absl::string_view file) {
  const RopeScaling& scaling = config.rope_scaling;
  if (scaling.type != RopeScalingType::kLongRope) {
    return absl::OkStatus();
  }
  if (scaling.original_max_position_embeddings < 2) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": original_max_position_embeddings is ",
                                                   scaling.original_max_position_embeddings,
                                                   "; allowed with longrope is 2 or more"));
  }
  for (const auto& [name, factors] : {std::pair("short_factor", &scaling.short_factor),
                                      std::pair("long_factor", &scaling.long_factor)}) {
    if (static_cast<int64_t>(factors->size()) != config.head_dim / 2) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": rope_scaling.", name, " holds ",
                                                     factors->size(), " numbers; allowed are ",
                                                     config.head_dim / 2, ", half of head_dim"));
    }
    for (const double factor : *factors) {
      if (!(factor >= 1e-6 && factor <= 1e6)) {
        return absl::InvalidArgumentError(absl::StrCat(file, ": rope_scaling.", name, " holds ",
                                                       factor, "; allowed is 1e-6 to 1e6"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateModelConfig(const ModelConfig& config, absl::string_view file) {
  struct IntegerRange {
    const char* name;
    int64_t value;
    int64_t max;
  };
  // Upper bounds far above any published model: sizes then multiply without overflow.
  const IntegerRange integers[] = {
      {"hidden_size", config.hidden_size, 1 << 17},
      {"intermediate_size", config.intermediate_size, 1 << 20},
      {"num_hidden_layers", config.num_hidden_layers, 1024},
      {"num_attention_heads", config.num_attention_heads, 4096},
      {"num_key_value_heads", config.num_key_value_heads, 4096},
      {"head_dim", config.head_dim, 1024},
      {"vocab_size", config.vocab_size, 1 << 22},
      {"max_position_embeddings", config.max_position_embeddings, int64_t{1} << 30},
      {"rope_scaling.original_max_position_embeddings",
       config.rope_scaling.original_max_position_embeddings, int64_t{1} << 30},
      {"sliding_window", config.sliding_window.value_or(1), int64_t{1} << 30},
  };
  for (const IntegerRange& range : integers) {
    if (range.value < 1 || range.value > range.max) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": ", range.name, " is ", range.value,
                                                     "; allowed is 1 to ", range.max));
    }
  }
  struct NumberRange {
    const char* name;
    double value;
    double min;
    double max;
  };
  const NumberRange numbers[] = {
      {"rms_norm_eps", config.rms_norm_eps, 0, 1},
      {"rope_theta", config.rope_theta, 1, 1e12},
      {"rope_scaling.factor", config.rope_scaling.factor, 1, 1e6},
      {"rope_scaling.low_freq_factor", config.rope_scaling.low_freq_factor, 1e-6, 1e6},
      {"rope_scaling.high_freq_factor", config.rope_scaling.high_freq_factor, 1e-6, 1e6},
  };
  for (const NumberRange& range : numbers) {
    if (!(range.value >= range.min && range.value <= range.max)) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": ", range.name, " is ", range.value,
                                                     "; allowed is ", range.min, " to ",
                                                     range.max));
    }
  }
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": num_key_value_heads is ", config.num_key_value_heads,
                     "; allowed are the divisors of num_attention_heads, which is ",
                     config.num_attention_heads));
  }
  if (config.head_dim % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": head_dim is ", config.head_dim, "; allowed are even numbers"));
  }
  if (config.rope_scaling.type == RopeScalingType::kLlama3 &&
      config.rope_scaling.high_freq_factor <= config.rope_scaling.low_freq_factor) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": rope_scaling.high_freq_factor is ", config.rope_scaling.high_freq_factor,
        "; allowed is more than low_freq_factor, which is ", config.rope_scaling.low_freq_factor));
  }
  return CheckLongRope(config, file);
}

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view contents, absl::string_view file) {
  RWKU_ASSIGN_OR_RETURN(const json object, text::ParseJsonObject(contents, file));
  JsonFields fields(object, file, "");
  ModelConfig config;
  config.model_type = fields.Text("model_type", "");
  const Family* const family = FindFamily(config.model_type);
  if (family == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": model_type is '", config.model_type,
                                                   "'; supported are ",
                                                   absl::StrJoin(FamilyNames(), ", ")));
  }
  config.hidden_size = fields.Integer("hidden_size", std::nullopt);
  config.intermediate_size = fields.Integer("intermediate_size", std::nullopt);
  config.num_hidden_layers = fields.Integer("num_hidden_layers", std::nullopt);
  config.num_attention_heads = fields.Integer("num_attention_heads", std::nullopt);
  const bool shares_no_keys = fields.IsNull("num_key_value_heads") || !family->num_key_value_heads;
  config.num_key_value_heads =
      fields.Integer("num_key_value_heads",
                     shares_no_keys ? config.num_attention_heads : *family->num_key_value_heads);
  if (!fields.Has("head_dim") && config.num_attention_heads > 0 &&
      config.hidden_size % config.num_attention_heads != 0) {
    fields.Fail("hidden_size", absl::StrCat("is ", config.hidden_size),
                "a multiple of num_attention_heads where head_dim is not given");
  }
  config.head_dim = fields.Integer("head_dim", config.num_attention_heads > 0
                                                   ? config.hidden_size / config.num_attention_heads
                                                   : 0);
  config.vocab_size = fields.Integer("vocab_size", std::nullopt);
  config.max_position_embeddings =
      fields.Integer("max_position_embeddings", family->max_position_embeddings);
  config.rms_norm_eps = fields.Number("rms_norm_eps", family->rms_norm_eps);
  config.tie_word_embeddings = fields.Boolean("tie_word_embeddings", false);
  if (fields.Has("bos_token_id")) {
    config.bos_token_id = fields.Integer("bos_token_id", std::nullopt);
  }
  config.eos_token_ids = ParseTokenIds(fields, "eos_token_id");
  config.torch_dtype = fields.Text("torch_dtype", fields.Text("dtype", "float32"));
  const std::string activation = fields.Text("hidden_act", "silu");
  if (activation != "silu") {
    fields.Fail("hidden_act", absl::StrCat("is '", activation, "'"), "silu");
  }
  for (const char* bias : {"attention_bias", "mlp_bias"}) {
    const bool is_the_familys = family->has_qkv_bias && absl::string_view(bias) == "attention_bias";
    if (fields.Boolean(bias, false) && !is_the_familys) {
      fields.Fail(bias, "is true", "false");
    }
  }
  ParseWindow(fields, *family, config);
  RWKU_RETURN_IF_ERROR(fields.status());
  RWKU_RETURN_IF_ERROR(ParseRope(object, file, config));
  RWKU_RETURN_IF_ERROR(ValidateModelConfig(config, file));
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  RWKU_ASSIGN_OR_RETURN(const std::string contents, text::ReadFileUpTo(path, text::kJsonFileLimit));
  return ParseModelConfig(contents, path.string());
}

}  // namespace rwku::engine
