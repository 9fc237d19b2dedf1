// A worker's counters, gauges and histograms. docs/metrics.md has every name; labels take their
// values from fixed sets only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include "base/clock.h"
#include "worker/job/attempt.h"
#include "worker/metrics/nvml.h"

namespace rwku::metrics {

struct WorkerIdentity {
  std::string worker;   // its name
  std::string device;   // "cpu" or "cuda:0"
  std::string version;  // of the binary
};

// How the worker stands with its coordinator.
struct LinkState {
  bool connected = false;  // and welcomed
  bool draining = false;
  int leases = 0;
};

// Thread-safe. Outlives everything that counts with it.
class WorkerMetrics final : public prometheus::Collectable {
 public:
  // `clock` outlives this.
  WorkerMetrics(const WorkerIdentity& identity, const Clock* clock);
  ~WorkerMetrics() override;
  WorkerMetrics(const WorkerMetrics&) = delete;
  WorkerMetrics& operator=(const WorkerMetrics&) = delete;

  // Asked at every collection from now on; null: not any more. Returns once the one before is not
  // called any more.
  void SetLink(std::function<LinkState()> link);

  // `runner`, counted. This outlives what is returned.
  job::AttemptRunner Count(job::AttemptRunner runner);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  // One attempt that is running.
  class Watch;

  void OnStep(const job::AttemptSpec& spec, const engine::TrainingStep& step, absl::Duration took);
  void OnStage(job::Stage stage, absl::Duration took);
  void OnUsage(const job::AttemptSpec& spec, const evaluate::Usage& usage);
  void OnEnd(const job::AttemptSpec& spec, const absl::StatusOr<job::AttemptResult>& result,
             bool cancelled);
  void OnResult(const job::AttemptSpec& spec, const job::AttemptResult& result);

  const WorkerIdentity identity_;
  const Clock* const clock_;
  const std::unique_ptr<Nvml> nvml_;
  prometheus::Registry registry_;

  std::map<std::string, prometheus::Counter*> attempts_;         // by outcome
  std::map<std::string, prometheus::Counter*> targets_done_;     // by method
  std::map<std::string, prometheus::Counter*> training_steps_;   // by method
  std::map<std::string, prometheus::Counter*> training_tokens_;  // by method
  prometheus::Histogram& step_duration_;
  prometheus::Gauge& loss_;
  prometheus::Gauge& gradient_norm_;
  std::map<job::Stage, prometheus::Histogram*> stage_duration_;
  std::map<job::Stage, prometheus::Gauge*> stage_;
  prometheus::Counter& prompt_computed_;
  prometheus::Counter& prompt_shared_;
  prometheus::Counter& generated_;
  prometheus::Counter& predictions_;
  prometheus::Counter& model_loads_;
  prometheus::Counter& reference_hits_;
  prometheus::Counter& reference_misses_;
  std::map<std::string, prometheus::Gauge*> memory_plan_;  // by part

  mutable absl::Mutex mu_;
  std::function<LinkState()> link_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::metrics
