// Gauges of the coordinator's present state and of its store, made when they are asked for.
#pragma once

#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "base/clock.h"
#include "server/coordinator/coordinator.h"
#include "server/store/rocks_store.h"

namespace rwku::metrics {

// Jobs by state and the age of the queue, runs and workers by state, workers that open jobs want,
// watch streams, readiness.
// Thread-safe. What it is given outlives it.
class StateMetrics final : public prometheus::Collectable {
 public:
  StateMetrics(coordinator::Coordinator* coordinator, const Clock* clock)
      : coordinator_(coordinator), clock_(clock) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  coordinator::Coordinator* const coordinator_;
  const Clock* const clock_;
};

// RocksDB's health and the room on its volume. Thread-safe. The store outlives it.
class StoreMetrics final : public prometheus::Collectable {
 public:
  explicit StoreMetrics(const store::RocksStore* store) : store_(store) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const store::RocksStore* const store_;
};

}  // namespace rwku::metrics
