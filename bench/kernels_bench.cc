// Measures the kernels of inference on CPUs beside torch's float32 products and beside a copy of
// memory, in turns, the best round of each, and prints JSON. Exits with 1 where a ratio is below
// its minimum. Usage:
//   rwku-kernels-bench [--threads N] [--minimum-avx2 R] [--minimum-portable R] [--minimum-sgemm R]
//                      [--minimum-copy R] [--minimum-threads R]
// avx2, portable: of the fastest build's speed with 64 rows. sgemm: the fastest build's speed with
// 128 rows of torch's. copy: bytes of weights a second with one row, of the bytes that a copy reads
// and writes a second. threads: speed of N threads with 128 rows of that of one.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <nlohmann/json.hpp>

#include "worker/engine/decode/kernel_builds.h"
#include "worker/engine/decode/thread_team.h"

namespace rwku::engine {
namespace {

constexpr int64_t kDepth = 576;
constexpr int64_t kColumns = 3072;
// Of the weight that is read from memory: more than fits a second-level cache.
constexpr int64_t kManyColumns = 49152;
constexpr int kRounds = 80;

double Now(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// One thread is timed by its processor time, so that other programs do not count; several by the
// wall.
struct Contest {
  std::string name;
  std::function<void()> run;
  double seconds = 1e30;
};

void RunInTurns(int threads, int repetitions, std::vector<Contest>& contests) {
  const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  for (int round = 0; round < kRounds; ++round) {
    for (Contest& contest : contests) {
      const double start = Now(clock);
      for (int i = 0; i < repetitions; ++i) {
        contest.run();
      }
      contest.seconds = std::min(contest.seconds, (Now(clock) - start) / repetitions);
    }
  }
}

struct Weight {
  explicit Weight(int64_t columns_of_weight)
      : columns(columns_of_weight),
        panels(RoundUp(columns, kPanelColumns) / kPanelColumns),
        plain(at::randn({columns, kDepth})),
        packed(static_cast<size_t>(PackedSize(columns, kDepth))),
        pairs(packed.size() / 2) {
    PackPanels(plain.const_data_ptr<float>(), 0, columns, kDepth, packed.data());
    PackBf16Panels(plain.const_data_ptr<float>(), 0, columns, kDepth, pairs.data());
  }

  int64_t columns;
  int64_t panels;
  at::Tensor plain;
  std::vector<float> packed;
  std::vector<Bf16Pair> pairs;
};

std::function<void()> Product(const Kernels& kernels, bool is_bf16, ThreadTeam& team,
                              const at::Tensor& x, const Weight& weight, std::vector<float>& y) {
  return [&, is_bf16] {
    const float* const from = x.const_data_ptr<float>();
    const int64_t grain = (weight.panels + 4 * team.threads() - 1) / (4 * team.threads());
    team.For(weight.panels, grain, [&](int64_t begin, int64_t end, int) {
      if (is_bf16) {
        kernels.multiply_bf16(from, x.size(0), kDepth, weight.pairs.data(), begin, end,
                              weight.columns, false, y.data(), weight.columns);
      } else {
        kernels.multiply(from, x.size(0), kDepth, weight.packed.data(), begin, end, weight.columns,
                         false, y.data(), weight.columns);
      }
    });
  };
}

// Rows -> build -> GFLOP/s.
std::map<int64_t, std::map<std::string, double>> MeasureProducts(int threads,
                                                                 const Weight& weight) {
  std::map<int64_t, std::map<std::string, double>> speeds;
  ThreadTeam team(threads);
  at::set_num_threads(threads);
  for (const int64_t rows : {1, 8, 64, 128}) {
    const at::Tensor x = at::randn({rows, kDepth});
    std::vector<float> y(static_cast<size_t>(rows * weight.columns));
    std::vector<Contest> contests;
    for (const Kernels* const kernels : SupportedKernels()) {
      contests.push_back({kernels->name, Product(*kernels, false, team, x, weight, y)});
      contests.push_back({absl::StrCat(kernels->name, " bf16 panels"),
                          Product(*kernels, true, team, x, weight, y)});
    }
    contests.push_back({"torch", [&] { at::linear(x, weight.plain); }});
    const double operations = 2e-9 * static_cast<double>(rows * kDepth * weight.columns);
    RunInTurns(threads, std::max(1, static_cast<int>(0.1 / operations)), contests);
    for (const Contest& contest : contests) {
      speeds[rows][contest.name] = operations / contest.seconds;
    }
  }
  return speeds;
}

// GB/s of weights with one row, and of a copy, which both reads and writes.
std::map<std::string, double> MeasureMemory(int threads, const Weight& weight) {
  ThreadTeam team(threads);
  const at::Tensor x = at::randn({1, kDepth});
  std::vector<float> y(static_cast<size_t>(weight.columns));
  std::vector<float> copy(weight.packed.size());
  const auto size = static_cast<int64_t>(copy.size());
  const auto bytes = 4e-9 * static_cast<double>(size);
  std::vector<Contest> contests = {
      {"float32 panels", Product(BestKernels(), false, team, x, weight, y)},
      {"bf16 panels", Product(BestKernels(), true, team, x, weight, y)},
      {"copy", [&] {
         team.For(size, (size + threads - 1) / threads, [&](int64_t begin, int64_t end, int) {
           std::memcpy(copy.data() + begin, weight.packed.data() + begin,
                       static_cast<size_t>(end - begin) * sizeof(float));
         });
       }}};
  RunInTurns(threads, 1, contests);
  return {{"float32 panels", bytes / contests[0].seconds},
          {"bf16 panels", bytes / 2 / contests[1].seconds},
          {"copy", 2 * bytes / contests[2].seconds}};
}

int Measure(int threads, const std::map<std::string, double>& minimums) {
  const at::AutoGradMode no_grad(false);
  nlohmann::json report;
  std::map<std::string, double> ratios;
  const std::string best = BestKernels().name;
  const Weight weight(kColumns);
  const Weight big_weight(kManyColumns);
  auto one = MeasureProducts(1, weight);
  auto several = MeasureProducts(threads, weight);
  const auto report_speeds = [&](int count, const auto& speeds) {
    for (const auto& [rows, of_rows] : speeds) {
      report["gflops"][absl::StrCat("threads ", count)][absl::StrCat("rows ", rows)] = of_rows;
    }
  };
  report_speeds(1, one);
  report_speeds(threads, several);
  for (const Kernels* const kernels : SupportedKernels()) {
    ratios[kernels->name] = one[64][kernels->name] / one[64][best];
  }
  ratios["sgemm"] =
      std::min(one[128][best] / one[128]["torch"], several[128][best] / several[128]["torch"]);
  std::map<std::string, double> wall = MeasureMemory(threads, big_weight);
  std::map<std::string, double> processor = MeasureMemory(1, big_weight);
  report["gbps"]["threads 1"] = processor;
  report["gbps"][absl::StrCat("threads ", threads)] = wall;
  ratios["copy"] = processor["float32 panels"] / processor["copy"];
  ratios["threads"] = several[128][best] / one[128][best];
  report["ratios"] = ratios;
  bool is_met = true;
  for (const auto& [name, minimum] : minimums) {
    if (ratios.contains(name) && ratios[name] < minimum) {
      report["below"].push_back(name);
      is_met = false;
    }
  }
  std::puts(report.dump(2).c_str());
  return is_met ? 0 : 1;
}

}  // namespace
}  // namespace rwku::engine

int main(int argc, char** argv) {
  int threads = 2;
  std::map<std::string, double> minimums = {
      {"avx2", 0.4}, {"portable", 0.15}, {"sgemm", 0.75}, {"copy", 0.75}, {"threads", 1.8}};
  for (int i = 1; i < argc; i += 2) {
    const absl::string_view flag = argv[i];
    const std::string name(absl::StripPrefix(flag, "--minimum-"));
    const bool is_minimum = minimums.contains(name) && name.size() < flag.size();
    if (i + 1 == argc ||
        (flag == "--threads" ? !absl::SimpleAtoi(argv[i + 1], &threads)
                             : !is_minimum || !absl::SimpleAtod(argv[i + 1], &minimums[name])) ||
        threads < 1) {
      std::fputs(
          "usage: rwku-kernels-bench [--threads N] [--minimum-avx2 R] [--minimum-portable R] "
          "[--minimum-sgemm R] [--minimum-copy R] [--minimum-threads R]\n",
          stderr);
      return 2;
    }
  }
  return rwku::engine::Measure(threads, minimums);
}
