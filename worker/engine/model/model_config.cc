#include "worker/engine/model/model_config.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "text/json_file.h"

namespace rwku::engine {

namespace {

using nlohmann::json;

constexpr double kPi = 3.141592653589793;

// Reads fields of one JSON object; the first error stands.
class Fields {
 public:
  Fields(const json& object, absl::string_view file, absl::string_view prefix)
      : object_(object), file_(file), prefix_(prefix) {}

  bool Has(const char* name) const {
    const auto found = object_.find(name);
    return found != object_.end() && !found->is_null();
  }
  const json& Raw(const char* name) const { return object_.at(name); }

  int64_t Integer(const char* name, std::optional<int64_t> fallback) {
    if (!Has(name)) {
      return fallback ? *fallback : (Fail(name, "is missing", "a whole number"), 0);
    }
    const json& value = Raw(name);
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX})) {
      Fail(name, absl::StrCat("is ", Short(value)), "a whole number");
      return 0;
    }
    return value.get<int64_t>();
  }

  double Number(const char* name, std::optional<double> fallback) {
    if (!Has(name)) {
      return fallback ? *fallback : (Fail(name, "is missing", "a number"), 0.0);
    }
    if (!Raw(name).is_number()) {
      Fail(name, absl::StrCat("is ", Short(Raw(name))), "a number");
      return 0;
    }
    return Raw(name).get<double>();
  }

  bool Boolean(const char* name, bool fallback) {
    if (!Has(name)) {
      return fallback;
    }
    if (!Raw(name).is_boolean()) {
      Fail(name, absl::StrCat("is ", Short(Raw(name))), "true or false");
      return fallback;
    }
    return Raw(name).get<bool>();
  }

  std::string Text(const char* name, absl::string_view fallback) {
    if (!Has(name)) {
      return std::string(fallback);
    }
    if (!Raw(name).is_string()) {
      Fail(name, absl::StrCat("is ", Short(Raw(name))), "a string");
      return std::string(fallback);
    }
    return Raw(name).get<std::string>();
  }

  void Fail(const char* name, absl::string_view found, absl::string_view allowed) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat(file_, ": ", prefix_, name, " ", found, "; allowed is ", allowed));
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  static std::string Short(const json& value) {
    if (value.is_structured()) {
      return value.is_array() ? "a list" : "an object";
    }
    return value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 60);
  }

  const json& object_;
  const absl::string_view file_;
  const absl::string_view prefix_;
  absl::Status status_;
};

absl::Status ParseRopeScaling(const json& object, absl::string_view field, absl::string_view file,
                              RopeScaling& scaling) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", field, " is no object"));
  }
  const std::string prefix = absl::StrCat(field, ".");
  Fields fields(object, file, prefix);
  // "type" is the older spelling; where both stand, transformers reads "rope_type".
  const std::string type = fields.Text("rope_type", fields.Text("type", "default"));
  if (type == "linear") {
    scaling.type = RopeScalingType::kLinear;
    scaling.factor = fields.Number("factor", std::nullopt);
  } else if (type == "llama3") {
    scaling.type = RopeScalingType::kLlama3;
    scaling.factor = fields.Number("factor", std::nullopt);
    scaling.low_freq_factor = fields.Number("low_freq_factor", std::nullopt);
    scaling.high_freq_factor = fields.Number("high_freq_factor", std::nullopt);
    scaling.original_max_position_embeddings =
        fields.Integer("original_max_position_embeddings", std::nullopt);
  } else if (type != "default") {
    fields.Fail("rope_type", absl::StrCat("is '", type, "'"), "default, linear or llama3");
  }
  return fields.status();
}

std::vector<int64_t> ParseTokenIds(Fields& fields, const char* name) {
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
  const int64_t mlp = 3 * hidden_size * intermediate_size;
  const int64_t embeddings = (tie_word_embeddings ? 1 : 2) * vocab_size * hidden_size;
  return num_hidden_layers * (attention + mlp + 2 * hidden_size) + embeddings + hidden_size;
}

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
  return absl::OkStatus();
}

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view contents, absl::string_view file) {
  RWKU_ASSIGN_OR_RETURN(const json object, text::ParseJsonObject(contents, file));
  Fields fields(object, file, "");
  ModelConfig config;
  config.model_type = fields.Text("model_type", "");
  if (config.model_type != "llama") {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": model_type is '", config.model_type, "'; supported is llama"));
  }
  config.hidden_size = fields.Integer("hidden_size", std::nullopt);
  config.intermediate_size = fields.Integer("intermediate_size", std::nullopt);
  config.num_hidden_layers = fields.Integer("num_hidden_layers", std::nullopt);
  config.num_attention_heads = fields.Integer("num_attention_heads", std::nullopt);
  config.num_key_value_heads = fields.Integer("num_key_value_heads", config.num_attention_heads);
  if (!fields.Has("head_dim") && config.num_attention_heads > 0 &&
      config.hidden_size % config.num_attention_heads != 0) {
    fields.Fail("hidden_size", absl::StrCat("is ", config.hidden_size),
                "a multiple of num_attention_heads where head_dim is not given");
  }
  config.head_dim = fields.Integer("head_dim", config.num_attention_heads > 0
                                                   ? config.hidden_size / config.num_attention_heads
                                                   : 0);
  config.vocab_size = fields.Integer("vocab_size", std::nullopt);
  config.max_position_embeddings = fields.Integer("max_position_embeddings", 2048);
  config.rms_norm_eps = fields.Number("rms_norm_eps", 1e-6);
  config.rope_theta = fields.Number("rope_theta", 10000.0);
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
    if (fields.Boolean(bias, false)) {
      fields.Fail(bias, "is true", "false");
    }
  }
  RWKU_RETURN_IF_ERROR(fields.status());
  if (fields.Has("rope_scaling")) {
    RWKU_RETURN_IF_ERROR(
        ParseRopeScaling(fields.Raw("rope_scaling"), "rope_scaling", file, config.rope_scaling));
  }
  // transformers 5 writes theta and scaling as one object.
  if (fields.Has("rope_parameters")) {
    const json& parameters = fields.Raw("rope_parameters");
    RWKU_RETURN_IF_ERROR(
        ParseRopeScaling(parameters, "rope_parameters", file, config.rope_scaling));
    Fields inner(parameters, file, "rope_parameters.");
    config.rope_theta = inner.Number("rope_theta", config.rope_theta);
    RWKU_RETURN_IF_ERROR(inner.status());
  }
  RWKU_RETURN_IF_ERROR(ValidateModelConfig(config, file));
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  RWKU_ASSIGN_OR_RETURN(const std::string contents, text::ReadFileUpTo(path, text::kJsonFileLimit));
  return ParseModelConfig(contents, path.string());
}

std::string ModelConfigToJson(const ModelConfig& config) {
  nlohmann::ordered_json out;
  out["architectures"] = {"LlamaForCausalLM"};
  out["model_type"] = config.model_type;
  out["hidden_size"] = config.hidden_size;
  out["intermediate_size"] = config.intermediate_size;
  out["num_hidden_layers"] = config.num_hidden_layers;
  out["num_attention_heads"] = config.num_attention_heads;
  out["num_key_value_heads"] = config.num_key_value_heads;
  out["head_dim"] = config.head_dim;
  out["vocab_size"] = config.vocab_size;
  out["max_position_embeddings"] = config.max_position_embeddings;
  out["rms_norm_eps"] = config.rms_norm_eps;
  out["rope_theta"] = config.rope_theta;
  const RopeScaling& scaling = config.rope_scaling;
  if (scaling.type == RopeScalingType::kNone) {
    out["rope_scaling"] = nullptr;
  } else if (scaling.type == RopeScalingType::kLinear) {
    out["rope_scaling"] = {{"rope_type", "linear"}, {"factor", scaling.factor}};
  } else {
    out["rope_scaling"] = {
        {"rope_type", "llama3"},
        {"factor", scaling.factor},
        {"low_freq_factor", scaling.low_freq_factor},
        {"high_freq_factor", scaling.high_freq_factor},
        {"original_max_position_embeddings", scaling.original_max_position_embeddings}};
  }
  out["tie_word_embeddings"] = config.tie_word_embeddings;
  out["attention_bias"] = false;
  out["mlp_bias"] = false;
  out["hidden_act"] = "silu";
  if (config.bos_token_id) {
    out["bos_token_id"] = *config.bos_token_id;
  }
  if (config.eos_token_ids.size() == 1) {
    out["eos_token_id"] = config.eos_token_ids[0];
  } else if (!config.eos_token_ids.empty()) {
    out["eos_token_id"] = config.eos_token_ids;
  }
  out["torch_dtype"] = config.torch_dtype;
  return out.dump(2) + "\n";
}

std::vector<float> RopeInverseFrequencies(const ModelConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  std::vector<float> frequencies;
  frequencies.reserve(static_cast<size_t>(config.head_dim / 2));
  for (int64_t i = 0; i < config.head_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(config.head_dim);
    float frequency = 1.0F / std::pow(static_cast<float>(config.rope_theta), exponent);
    if (scaling.type == RopeScalingType::kLinear) {
      frequency /= static_cast<float>(scaling.factor);
    } else if (scaling.type == RopeScalingType::kLlama3) {
      // Long waves are stretched by the factor, short ones kept, those between interpolated.
      const auto old_length = static_cast<double>(scaling.original_max_position_embeddings);
      const auto wavelength = static_cast<float>(2 * kPi) / frequency;
      const auto low_wavelength = static_cast<float>(old_length / scaling.low_freq_factor);
      const auto high_wavelength = static_cast<float>(old_length / scaling.high_freq_factor);
      const float stretched = frequency / static_cast<float>(scaling.factor);
      if (wavelength > low_wavelength) {
        frequency = stretched;
      } else if (wavelength >= high_wavelength) {
        const float smooth = (static_cast<float>(old_length) / wavelength -
                              static_cast<float>(scaling.low_freq_factor)) /
                             static_cast<float>(scaling.high_freq_factor - scaling.low_freq_factor);
        frequency =
            (1 - smooth) * frequency / static_cast<float>(scaling.factor) + smooth * frequency;
      }
    }
    frequencies.push_back(frequency);
  }
  return frequencies;
}

}  // namespace rwku::engine
