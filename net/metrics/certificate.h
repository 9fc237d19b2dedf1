// When certificates end, for a metric and its alert.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

namespace rwku::net {

// The earliest "not after" of the certificates in a PEM file. NOT_FOUND or what reading gives, and
// INVALID_ARGUMENT for a file without a certificate or with one that cannot be read; both name it.
absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path);

// A gauge `name` with a series {certificate="<label>"} for each file, read anew every time: a
// rotated one shows at once. A file that cannot be read has no series.
class CertificateMetrics final : public prometheus::Collectable {
 public:
  // `files`: label and path; those with an empty path are left out.
  CertificateMetrics(std::string name, std::vector<std::pair<std::string, std::string>> files)
      : name_(std::move(name)), files_(std::move(files)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string name_;
  const std::vector<std::pair<std::string, std::string>> files_;
};

}  // namespace rwku::net
