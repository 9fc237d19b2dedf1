#include "tests/simulated_device/simulated_device.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/DispatchStub.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_fused_sdp_choice_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include "tests/simulated_device/device_memory.h"
#include "tests/simulated_device/fallback.h"
#include "tests/simulated_device/synchronisations.h"

namespace rwku::simulated {
namespace {

constexpr c10::DispatchKey kKey = c10::DispatchKey::PrivateUse1;

c10::Device TheDevice() { return {c10::kPrivateUse1, 0}; }

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::kPrivateUse1; }
  c10::Device exchangeDevice(c10::Device device) const override {
    Check(device);
    return TheDevice();
  }
  c10::Device getDevice() const override { return TheDevice(); }
  void setDevice(c10::Device device) const override { Check(device); }
  void uncheckedSetDevice(c10::Device /*device*/) const noexcept override {}
  c10::Stream getStream(c10::Device /*device*/) const override { return TheStream(); }
  c10::Stream getDefaultStream(c10::Device /*device*/) const override { return TheStream(); }
  c10::Stream exchangeStream(c10::Stream /*stream*/) const override { return TheStream(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  // Everything before an event is done when it is recorded; a wait for one still is a wait.
  void record(void** /*event*/, const c10::Stream& /*stream*/, c10::DeviceIndex /*device*/,
              c10::EventFlag /*flag*/) const override {}
  void block(void* /*event*/, const c10::Stream& /*stream*/) const override {}
  bool queryEvent(void* /*event*/) const override { return true; }
  bool queryStream(const c10::Stream& /*stream*/) const override { return true; }
  void synchronizeStream(const c10::Stream& /*stream*/) const override {
    NoteSynchronisation("the host waits for the stream");
  }
  void synchronizeEvent(void* /*event*/) const override {
    NoteSynchronisation("the host waits for an event");
  }
  void synchronizeDevice(c10::DeviceIndex /*device*/) const override {
    NoteSynchronisation("the host waits for the device");
  }

 private:
  static c10::Stream TheStream() { return c10::Stream(c10::Stream::DEFAULT, TheDevice()); }
  static void Check(c10::Device device) {
    TORCH_CHECK(device.index() <= 0, "simulated device: there is no ", device.str());
  }
};

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex /*device*/) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex /*device*/) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex /*device*/) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex /*device*/) const override { return 0; }
  bool isPinnedPtr(const void* data) const override { return IsPinned(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &PinnedMemory(); }
  c10::Device getDeviceFromPtr(void* /*data*/) const override { return TheDevice(); }
};

at::ScalarType TypeOr(std::optional<at::ScalarType> dtype) {
  return dtype.value_or(c10::get_default_dtype_as_scalartype());
}

at::Tensor Empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> /*layout*/, std::optional<at::Device> /*device*/,
                 std::optional<bool> /*pin_memory*/,
                 std::optional<at::MemoryFormat> memory_format) {
  return at::detail::empty_generic(size, &DeviceMemory(), c10::DispatchKeySet(kKey), TypeOr(dtype),
                                   memory_format);
}

at::Tensor EmptyStrided(at::IntArrayRef size, at::IntArrayRef stride,
                        std::optional<at::ScalarType> dtype, std::optional<at::Layout> /*layout*/,
                        std::optional<at::Device> /*device*/, std::optional<bool> /*pin_memory*/) {
  return at::detail::empty_strided_generic(size, stride, &DeviceMemory(), c10::DispatchKeySet(kKey),
                                           TypeOr(dtype));
}

// The host's view of a tensor of the device, to be used while `pages` lives.
at::Tensor HostView(const at::Tensor& tensor, OpenPages* pages) {
  if (tensor.device().is_cpu()) {
    return tensor;
  }
  pages->Add(tensor.storage());
  c10::Storage storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                       c10::DataPtr(tensor.storage().mutable_data(), c10::Device(c10::kCPU)),
                       nullptr, false);
  at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  view.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                    tensor.storage_offset());
  return view;
}

// The one door between host and device.
at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  NoteOperator("aten::_copy_from");
  const auto note = [&](const at::Tensor& host, const char* way) {
    if (!non_blocking || !IsPinned(host.storage().data())) {
      NoteSynchronisation(absl::StrCat("a copy ", way, " of ", from.numel(), " elements that ",
                                       non_blocking ? "is not pinned" : "blocks"));
    }
  };
  if (from.numel() > 0 && to.device().is_cpu()) {
    note(to, "to the host");
  } else if (from.numel() > 0 && from.device().is_cpu()) {
    note(from, "from the host");
  }
  OpenPages pages;
  const at::AutoDispatchBelowADInplaceOrView guard;
  HostView(to, &pages).copy_(HostView(from, &pages));
  return to;
}

// Operators of which the CPU has a kernel and every other device a decomposition: the kernel, as on
// a GPU.
void UseKernelsForCompositeOperators(torch::Library* library) {
  c10::Dispatcher& dispatcher = c10::Dispatcher::singleton();
  for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
    const auto op = dispatcher.findOp(name);
    if (op && name.getNamespace() == "aten" && op->hasKernelForDispatchKey(c10::DispatchKey::CPU) &&
        op->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd)) {
      library->impl(name.overload_name.empty()
                        ? name.name.c_str()
                        : absl::StrCat(name.name, ".", name.overload_name).c_str(),
                    torch::CppFunction::makeFromBoxedFunction<&RunOnDevice>());
    }
  }
}

bool Register() {
  c10::register_privateuse1_backend("simulated");
  c10::SetAllocator(c10::kPrivateUse1, &DeviceMemory());
  c10::impl::registerDeviceGuard(c10::kPrivateUse1, new Guard);
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  auto& fallback = *new torch::Library(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
  fallback.fallback(torch::CppFunction::makeFromBoxedFunction<&RunOnDevice>());
  auto& aten = *new torch::Library(torch::Library::IMPL, "aten", kKey, __FILE__, __LINE__);
  aten.impl("empty.memory_format", TORCH_FN(Empty));
  aten.impl("empty_strided", TORCH_FN(EmptyStrided));
  aten.impl("_copy_from", TORCH_FN(CopyFrom));
  UseKernelsForCompositeOperators(&aten);
  // Attention has the CPU's fused kernel, too.
  at::native::_fused_sdp_choice_stub.set_privateuse1_dispatch_ptr(
      &at::native::_fused_sdp_choice_cpp);
  return true;
}

}  // namespace

c10::Device Device() {
  static const bool is_registered = Register();
  (void)is_registered;
  return TheDevice();
}

}  // namespace rwku::simulated
