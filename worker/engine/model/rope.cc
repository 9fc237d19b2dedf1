#include "worker/engine/model/rope.h"

#include <cmath>

namespace rwku::engine {

namespace {

constexpr double kPi = 3.141592653589793;

// Long waves are stretched by the factor, short ones kept, those between interpolated.
float Llama3Frequency(float frequency, const RopeScaling& scaling) {
  const auto old_length = static_cast<double>(scaling.original_max_position_embeddings);
  const auto wavelength = static_cast<float>(2 * kPi) / frequency;
  const auto low_wavelength = static_cast<float>(old_length / scaling.low_freq_factor);
  const auto high_wavelength = static_cast<float>(old_length / scaling.high_freq_factor);
  if (wavelength > low_wavelength) {
    return frequency / static_cast<float>(scaling.factor);
  }
  if (wavelength < high_wavelength) {
    return frequency;
  }
  const float smooth =
      (static_cast<float>(old_length) / wavelength - static_cast<float>(scaling.low_freq_factor)) /
      static_cast<float>(scaling.high_freq_factor - scaling.low_freq_factor);
  return (1 - smooth) * frequency / static_cast<float>(scaling.factor) + smooth * frequency;
}

}  // namespace

bool UsesLongRope(const ModelConfig& config, int64_t length) {
  return config.rope_scaling.type == RopeScalingType::kLongRope &&
         length > config.rope_scaling.original_max_position_embeddings;
}

std::vector<float> RopeInverseFrequencies(const ModelConfig& config, bool is_long) {
  const RopeScaling& scaling = config.rope_scaling;
  std::vector<float> frequencies;
  frequencies.reserve(static_cast<size_t>(config.head_dim / 2));
  for (int64_t i = 0; i < config.head_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(config.head_dim);
    const float wave = std::pow(static_cast<float>(config.rope_theta), exponent);
    switch (scaling.type) {
      case RopeScalingType::kNone:
        frequencies.push_back(1.0F / wave);
        break;
      case RopeScalingType::kLinear:
        frequencies.push_back(1.0F / wave / static_cast<float>(scaling.factor));
        break;
      case RopeScalingType::kLlama3:
        frequencies.push_back(Llama3Frequency(1.0F / wave, scaling));
        break;
      case RopeScalingType::kLongRope: {
        const auto& factors = is_long ? scaling.long_factor : scaling.short_factor;
        const auto factor = static_cast<float>(factors[static_cast<size_t>(i / 2)]);
        frequencies.push_back(1.0F / (factor * wave));
        break;
      }
    }
  }
  return frequencies;
}

double RopeAttentionFactor(const ModelConfig& config) {
  if (config.rope_scaling.type != RopeScalingType::kLongRope) {
    return 1;
  }
  const auto original = static_cast<double>(config.rope_scaling.original_max_position_embeddings);
  const double factor = static_cast<double>(config.max_position_embeddings) / original;
  return factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
}

}  // namespace rwku::engine
