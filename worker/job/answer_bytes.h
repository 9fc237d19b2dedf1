// Answers of a language model as bytes, for ranks of one build: numbers as the machine holds them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "benchmark/evaluate/language_model.h"

namespace rwku::job {

class AnswerWriter {
 public:
  template <typename T>
  void Put(const T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    } else if constexpr (std::is_same_v<T, std::string>) {
      Put(static_cast<uint64_t>(value.size()));
      bytes_ += value;
    } else if constexpr (std::is_same_v<T, evaluate::ContinuationScores>) {
      Put(value.log_probabilities);
      Put(value.is_most_likely);
    } else if constexpr (std::is_same_v<T, evaluate::TokenScores>) {
      Put(value.log_probabilities);
      Put(value.means);
      Put(value.variances);
    } else {
      Put(static_cast<uint64_t>(value.size()));
      for (const auto& item : value) {
        Put(item);
      }
    }
  }

  std::string Take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads what an AnswerWriter wrote, in its order. Bytes that end early make complete() false and
// every value after that empty.
class AnswerReader {
 public:
  explicit AnswerReader(const std::string& bytes) : bytes_(bytes) {}

  template <typename T>
  T Get() {
    T value = {};
    if constexpr (std::is_arithmetic_v<T>) {
      if (Has(sizeof(T))) {
        std::memcpy(&value, bytes_.data() + position_, sizeof(T));
        position_ += sizeof(T);
      }
    } else if constexpr (std::is_same_v<T, std::string>) {
      const auto size = Get<uint64_t>();
      if (Has(size)) {
        value = bytes_.substr(position_, size);
        position_ += size;
      }
    } else if constexpr (std::is_same_v<T, evaluate::ContinuationScores>) {
      value.log_probabilities = Get<std::vector<float>>();
      value.is_most_likely = Get<std::vector<bool>>();
    } else if constexpr (std::is_same_v<T, evaluate::TokenScores>) {
      value.log_probabilities = Get<std::vector<float>>();
      value.means = Get<std::vector<float>>();
      value.variances = Get<std::vector<float>>();
    } else {
      const auto size = Get<uint64_t>();
      for (uint64_t i = 0; i < size && !is_short_; ++i) {
        value.push_back(Get<typename T::value_type>());
      }
    }
    return value;
  }

  // Whether all was read and nothing was missing.
  bool complete() const { return !is_short_ && position_ == bytes_.size(); }

 private:
  bool Has(uint64_t size) {
    is_short_ = is_short_ || size > bytes_.size() - position_;
    return !is_short_;
  }

  const std::string& bytes_;
  size_t position_ = 0;
  bool is_short_ = false;
};

}  // namespace rwku::job
