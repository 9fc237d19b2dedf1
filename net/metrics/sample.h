// Metric families that are made at the moment they are asked for, for prometheus::Collectable.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

namespace rwku::net {

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

inline prometheus::MetricFamily MakeFamily(std::string name, std::string help,
                                           prometheus::MetricType type) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

inline prometheus::MetricFamily GaugeFamily(std::string name, std::string help) {
  return MakeFamily(std::move(name), std::move(help), prometheus::MetricType::Gauge);
}

// Adds a series to a family of gauges, or of counters that something else counts.
inline void AddSample(prometheus::MetricFamily* family, MetricLabels labels, double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  if (family->type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family->metric.push_back(std::move(metric));
}

inline prometheus::MetricFamily Gauge(std::string name, std::string help, double value) {
  prometheus::MetricFamily family = GaugeFamily(std::move(name), std::move(help));
  AddSample(&family, {}, value);
  return family;
}

inline prometheus::MetricFamily Counter(std::string name, std::string help, double value) {
  prometheus::MetricFamily family =
      MakeFamily(std::move(name), std::move(help), prometheus::MetricType::Counter);
  AddSample(&family, {}, value);
  return family;
}

}  // namespace rwku::net
