#include "worker/engine/decode/kernel_cases.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace rwku::engine {

namespace {

// Numbers in [-1, 1) that are multiples of 2^-23.
std::vector<float> Values(uint64_t seed, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  uint64_t state = seed;
  for (float& value : values) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    value = static_cast<float>(static_cast<int64_t>(state >> 40) - (1 << 23)) / (1 << 23);
  }
  return values;
}

void AddProductCases(const Kernels& kernels, std::vector<KernelCase>& cases) {
  constexpr int64_t kMostRows = 141;
  constexpr int64_t kColumns = 150;
  constexpr int64_t kPanels = RoundUp(kColumns, kPanelColumns) / kPanelColumns;
  for (const int64_t depth : {1, 77, 600}) {
    const std::vector<float> x = Values(1, kMostRows * depth);
    const std::vector<float> weight = Values(2, kColumns * depth);
    std::vector<float> panels(static_cast<size_t>(PackedSize(kColumns, depth)));
    std::vector<Bf16Pair> bf16_panels(panels.size() / 2);
    PackPanels(weight.data(), 0, kColumns, depth, panels.data());
    PackBf16Panels(weight.data(), 0, kColumns, depth, bf16_panels.data());
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 141}) {
      std::string shape = std::to_string(rows);
      shape.append("x").append(std::to_string(depth));
      std::vector<float> y = Values(3, rows * kColumns);
      kernels.multiply(x.data(), rows, depth, panels.data(), 0, kPanels, kColumns, true, y.data(),
                       kColumns);
      cases.push_back({"product_" + shape, y});
      kernels.multiply_bf16(x.data(), rows, depth, bf16_panels.data(), 0, kPanels, kColumns, false,
                            y.data(), kColumns);
      cases.push_back({"bf16_product_" + shape, std::move(y)});
    }
  }
}

void AddAttentionCases(const Kernels& kernels, std::vector<KernelCase>& cases) {
  constexpr int64_t kLength = 75;
  constexpr int64_t kQueries = 29;
  for (const int64_t head_dim : {20, 64, 96}) {
    const int64_t width = RoundUp(head_dim, kLanes);
    const std::vector<float> q = Values(4, kQueries * head_dim);
    const std::vector<float> keys = Values(5, RoundUp(kLength, kLanes) * head_dim);
    const std::vector<float> values = Values(6, RoundUp(kLength, kLanes) * width);
    std::vector<float> scratch(static_cast<size_t>(AttentionScratch(kLength, head_dim)));
    std::vector<float> out(static_cast<size_t>(kQueries * head_dim));
    // Three queries a position, the last positions with a window.
    std::vector<AttentionQuery> queries;
    for (int64_t i = 0; i < kQueries; ++i) {
      const int64_t end = kLength - (kQueries - 1 - i) / 3;
      queries.push_back({q.data() + i * head_dim, out.data() + i * head_dim,
                         i < kQueries / 2 ? 0 : end - 11, end});
    }
    kernels.attend(queries.data(), kQueries, keys.data(), values.data(), head_dim, 0.3F,
                   scratch.data());
    cases.push_back({"attention_" + std::to_string(head_dim), out});
    std::fill(out.begin(), out.end(), 0.0F);
    for (const AttentionQuery& query : queries) {
      kernels.attend(&query, 1, keys.data(), values.data(), head_dim, 0.3F, scratch.data());
    }
    cases.push_back({"single_attention_" + std::to_string(head_dim), std::move(out)});
  }
}

}  // namespace

std::vector<KernelCase> RunKernelCases(const Kernels& kernels) {
  std::vector<KernelCase> cases;
  AddProductCases(kernels, cases);
  AddAttentionCases(kernels, cases);
  constexpr int64_t kSize = 83;
  const std::vector<float> x = Values(7, 2 * kSize);
  std::vector<float> y(static_cast<size_t>(2 * kSize));
  kernels.rms_norm(x.data(), x.data() + kSize, 1e-5F, 2, kSize, y.data());
  cases.push_back({"rms_norm", y});
  std::vector<float> gates = Values(8, 2 * kSize);
  for (float& gate : gates) {
    gate *= 100;
  }
  kernels.silu_product(gates.data(), 1, kSize, y.data());
  cases.push_back({"silu_product", {y.begin(), y.begin() + kSize}});
  const LogitSums sums = kernels.logit_sums(gates.data(), 2 * kSize);
  cases.push_back({"logit_sums", {sums.max, sums.exp, sums.exp_d, sums.exp_d_squared}});
  cases.push_back({"arg_max", {static_cast<float>(kernels.arg_max(gates.data(), 2 * kSize))}});
  return cases;
}

}  // namespace rwku::engine
