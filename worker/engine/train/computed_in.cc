#include "worker/engine/train/computed_in.h"

#include <set>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include <ATen/Version.h>
#include <c10/core/ScalarType.h>
#include <torch/version.h>

#include "base/file.h"

namespace rwku::engine {

std::string ComputedIn(at::Device device, at::ScalarType dtype) {
  return absl::StrCat(c10::DeviceTypeName(device.type(), /*lower_case=*/true), " ",
                      device.is_cuda() ? GpuModels() : at::get_cpu_capability(), " ",
                      c10::toString(dtype), " torch ", TORCH_VERSION);
}

std::string GpuModels(const std::filesystem::path& folder) {
  std::set<std::string> models;
  std::error_code error;
  for (std::filesystem::directory_iterator card(folder, error), end; !error && card != end;
       card.increment(error)) {
    const absl::StatusOr<std::string> information = ReadFile(card->path() / "information");
    if (!information.ok()) {
      continue;
    }
    for (absl::string_view line : absl::StrSplit(*information, '\n')) {
      if (absl::ConsumePrefix(&line, "Model:")) {
        models.emplace(absl::StripAsciiWhitespace(line));
      }
    }
  }
  return absl::StrJoin(models, ",");
}

}  // namespace rwku::engine
