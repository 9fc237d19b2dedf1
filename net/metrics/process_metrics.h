// What Prometheus' client libraries tell of a process, by their names: CPU time, memory, open
// files, start time.
#pragma once

#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

namespace rwku::net {

// Thread-safe. A figure that the system does not tell is left out.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace rwku::net
