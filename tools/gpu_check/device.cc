#include "tools/gpu_check/device.h"

#include <dlfcn.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/version.h>

namespace rwku::gpu_check {
namespace {

constexpr auto kAggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

c10::CachingAllocator::Stat Allocated(at::Device device) {
  if (device.is_cpu()) {
    return {};
  }
  return c10::getDeviceAllocator(device.type())
      ->getDeviceStats(device.index())
      .allocated_bytes[kAggregate];
}

}  // namespace

std::string PrepareGpu() {
  // Before the first question about CUDA, whose answer torch remembers.
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return absl::StrCat("no GPU is visible: ", dlerror());
  }
  if (!at::hasCUDA() || at::detail::getCUDAHooks().deviceCount() == 0) {
    return "no GPU is visible";
  }
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  return "";
}

void Describe(at::Device device, Figures& figures) {
  figures["device"] = device.str();
  figures["torch"] = TORCH_VERSION;
  figures["threads"] = at::get_num_threads();
  if (!device.is_cpu()) {
    const auto [free, total] =
        c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index());
    figures["total_bytes"] = total;
    figures["free_bytes"] = free;
    figures["gpus"] = at::detail::getCUDAHooks().deviceCount();
    figures["cuda_runtime"] = at::detail::getCUDAHooks().versionCUDART();
  }
}

void Synchronise(at::Device device) {
  if (!device.is_cpu()) {
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
  }
}

int64_t AllocatedBytes(at::Device device) { return Allocated(device).current; }

int64_t PeakBytes(at::Device device) { return Allocated(device).peak; }

void ResetPeak(at::Device device) {
  if (!device.is_cpu()) {
    c10::getDeviceAllocator(device.type())->resetPeakStats(device.index());
  }
}

void EmptyCache(at::Device device) {
  if (!device.is_cpu()) {
    c10::getDeviceAllocator(device.type())->emptyCache();
  }
}

}  // namespace rwku::gpu_check
