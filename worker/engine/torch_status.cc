#include "worker/engine/torch_status.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <c10/util/Exception.h>

#include "worker/engine/device_lost.h"

namespace rwku::engine {

namespace {

absl::string_view FirstLine(absl::string_view text) { return text.substr(0, text.find('\n')); }

// Errors of CUDA's runtime that leave the context as it was: a call was wrong or asked for too
// much. Every other one is taken for the end of the context, since a process started anew is
// cheaper than one that fails whatever it is given.
// https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html
constexpr std::array<int32_t, 7> kHarmless = {
    1,    // cudaErrorInvalidValue
    9,    // cudaErrorInvalidConfiguration
    98,   // cudaErrorInvalidDeviceFunction
    101,  // cudaErrorInvalidDevice
    209,  // cudaErrorNoKernelImageForDevice
    701,  // cudaErrorLaunchOutOfResources
    801,  // cudaErrorNotSupported
};
constexpr int32_t kMemoryAllocation = 2;  // cudaErrorMemoryAllocation

// What errors of a context that is gone say where they come without their number, from a library
// above CUDA's runtime.
constexpr std::array<absl::string_view, 8> kLostTexts = {
    "an illegal memory access", "unspecified launch failure",     "device-side assert",
    "a misaligned address",     "an illegal instruction",         "uncorrectable ECC",
    "the launch timed out",     "CUBLAS_STATUS_EXECUTION_FAILED",
};

bool SaysDeviceLost(absl::string_view what) {
  return std::any_of(kLostTexts.begin(), kLostTexts.end(),
                     [what](absl::string_view text) { return absl::StrContains(what, text); });
}

absl::Status DeviceLost(absl::string_view what) {
  return DeviceLostError(absl::StrCat("the device is lost to this process: ", FirstLine(what)));
}

absl::Status StatusOf(const c10::AcceleratorError& error) {
  const absl::string_view what = error.what_without_backtrace();
  const int32_t code = error.get_error_code();
  if (code == kMemoryAllocation) {
    return absl::ResourceExhaustedError(absl::StrCat("out of device memory: ", FirstLine(what)));
  }
  const bool is_harmless = std::find(kHarmless.begin(), kHarmless.end(), code) != kHarmless.end();
  return is_harmless ? absl::InternalError(absl::StrCat("torch: ", FirstLine(what)))
                     : DeviceLost(what);
}

}  // namespace

absl::Status StatusOfCurrentException() {
  try {
    throw;
  } catch (const StatusError& error) {
    return error.status();
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("out of device memory: ", FirstLine(error.what_without_backtrace())));
  } catch (const c10::AcceleratorError& error) {
    return StatusOf(error);
  } catch (const c10::DistError& error) {
    const absl::string_view what = error.what_without_backtrace();
    return SaysDeviceLost(what) ? DeviceLost(what) : absl::UnavailableError(FirstLine(what));
  } catch (const c10::Error& error) {
    const absl::string_view what = error.what_without_backtrace();
    // The CPU allocator throws a plain c10::Error.
    if (absl::StrContains(what, "DefaultCPUAllocator") ||
        absl::StrContains(what, "out of memory")) {
      return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", FirstLine(what)));
    }
    return SaysDeviceLost(what) ? DeviceLost(what)
                                : absl::InternalError(absl::StrCat("torch: ", FirstLine(what)));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    if (SaysDeviceLost(error.what())) {
      return DeviceLost(error.what());
    }
    return absl::InternalError(absl::StrCat("exception: ", FirstLine(error.what())));
  } catch (...) {
    return absl::InternalError("exception of an unknown type");
  }
}

}  // namespace rwku::engine
