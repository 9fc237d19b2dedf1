#include "tests/simulated_device/fallback.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include "tests/simulated_device/device_memory.h"
#include "tests/simulated_device/synchronisations.h"

namespace rwku::simulated {
namespace {

bool IsOnDevice(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().type() == c10::kPrivateUse1;
}

at::Tensor MakeTensor(const c10::Storage& storage, c10::DispatchKey key, const at::Tensor& like) {
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(storage), c10::DispatchKeySet(key), like.dtype());
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(),
                                                      like.storage_offset());
  return tensor;
}

// Operators whose result's size depends on values.
bool HasSizeFromValues(const std::string& name, const torch::jit::Stack& arguments) {
  static const auto& names = *new absl::flat_hash_set<std::string>{
      "aten::nonzero",  "aten::masked_select",     "aten::_unique",
      "aten::_unique2", "aten::unique_dim",        "aten::unique_consecutive",
      "aten::bincount", "aten::repeat_interleave", "aten::unique_dim_consecutive"};
  if (names.contains(name)) {
    return true;
  }
  // A mask in place of indices; index() itself asks nonzero() first.
  if (name != "aten::_index_put_impl_") {
    return false;
  }
  const auto indices = arguments[1].toListRef();
  return std::any_of(indices.begin(), indices.end(), [](const at::IValue& index) {
    return index.isTensor() && index.toTensor().defined() &&
           (index.toTensor().scalar_type() == at::kBool ||
            index.toTensor().scalar_type() == at::kByte);
  });
}

// Operators that answer with a value of the host do so from a value of the device.
bool AnswersToHost(const c10::OperatorHandle& op) {
  // They look at sizes, types and addresses alone.
  if (op.schema().name() == "aten::_fused_sdp_choice" || op.schema().name() == "aten::is_set_to") {
    return false;
  }
  const std::vector<c10::Argument>& results = op.schema().returns();
  return std::any_of(results.begin(), results.end(), [](const c10::Argument& result) {
    const c10::TypeKind kind = result.type()->kind();
    return kind == c10::TypeKind::BoolType || kind == c10::TypeKind::IntType ||
           kind == c10::TypeKind::FloatType || kind == c10::TypeKind::NumberType;
  });
}

// One call of an operator.
class Call {
 public:
  explicit Call(const c10::OperatorHandle& op) : op_(op) {}

  void Run(torch::jit::Stack* stack) {
    const std::string& name = op_.schema().name();
    NoteOperator(name);
    torch::jit::Stack arguments = torch::jit::pop(*stack, op_.schema().arguments().size());
    if (AnswersToHost(op_)) {
      NoteSynchronisation(absl::StrCat(name, " reads a value back"));
    } else if (HasSizeFromValues(name, arguments)) {
      NoteSynchronisation(absl::StrCat(name, " reads back the size of its result"));
    }
    for (at::IValue& argument : arguments) {
      argument = ToHost(argument);
    }
    CheckDevices();
    {
      const at::AutoDispatchBelowADInplaceOrView guard;
      op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &arguments);
    }
    TakeNewMemory();
    TakeNewShapes();
    for (const at::IValue& result : arguments) {
      torch::jit::push(*stack, ToDevice(result));
    }
  }

 private:
  struct SharedStorage {
    c10::Storage device;
    c10::Storage host;  // of the same memory
  };
  struct SharedTensor {
    at::Tensor device;
    at::Tensor host;
  };

  // An argument for the CPU's kernel.
  at::IValue ToHost(const at::IValue& value) {
    if (value.isTensor()) {
      return HostTensor(value.toTensor());
    }
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) {
        list.push_back(HostTensor(tensor));
      }
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
        list.push_back(tensor ? std::make_optional(HostTensor(*tensor)) : std::nullopt);
      }
      return list;
    }
    if (value.isStorage() && value.toStorage().device_type() == c10::kPrivateUse1) {
      return HostStorage(value.toStorage());
    }
    if (value.isDevice() && value.toDevice().type() == c10::kPrivateUse1) {
      return c10::Device(c10::kCPU);
    }
    return value;
  }

  at::Tensor HostTensor(const at::Tensor& tensor) {
    if (!tensor.defined()) {
      return tensor;
    }
    if (!IsOnDevice(tensor)) {
      if (tensor.dim() > 0) {
        on_host_ =
            absl::StrCat("a tensor of ", tensor.numel(), " elements on ", tensor.device().str());
      }
      return tensor;
    }
    for (const SharedTensor& shared : tensors_) {
      if (shared.device.is_same(tensor)) {
        return shared.host;
      }
    }
    at::Tensor host = MakeTensor(HostStorage(tensor.storage()), c10::DispatchKey::CPU, tensor);
    if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) {
      host.unsafeGetTensorImpl()->set_wrapped_number(true);
    }
    tensors_.push_back({tensor, host});
    return host;
  }

  c10::Storage HostStorage(const c10::Storage& device) {
    for (const SharedStorage& shared : storages_) {
      if (shared.device.is_alias_of(device)) {
        return shared.host;
      }
    }
    pages_.Add(device);
    c10::Storage host(c10::Storage::use_byte_size_t(), device.nbytes(),
                      c10::DataPtr(device.mutable_data(), c10::Device(c10::kCPU)),
                      c10::GetCPUAllocator(), /*resizable=*/true);
    storages_.push_back({device, host});
    return host;
  }

  void CheckDevices() const {
    TORCH_CHECK(tensors_.empty() || on_host_.empty(), "simulated device: ", op_.schema().name(),
                ": expected all tensors on one device, found ", on_host_, " beside one on ",
                tensors_.empty() ? "" : tensors_.front().device.device().str());
  }

  // Storages that the kernel made larger.
  void TakeNewMemory() {
    for (SharedStorage& shared : storages_) {
      if (shared.host.data() == shared.device.data() &&
          shared.host.nbytes() == shared.device.nbytes()) {
        continue;
      }
      const size_t bytes = shared.host.nbytes();
      replaced_.push_back(shared.device.set_data_ptr(DeviceMemory().allocate(bytes)));
      shared.device.set_nbytes(bytes);
      Fill(shared.device, shared.host);
    }
  }

  // Tensors whose shape or place the kernel changed.
  void TakeNewShapes() {
    for (const SharedTensor& shared : tensors_) {
      const at::Tensor& device = shared.device;
      const at::Tensor& host = shared.host;
      const c10::Storage storage = DeviceStorage(host.storage());
      c10::TensorImpl* const impl = device.unsafeGetTensorImpl();
      if (!storage.is_alias_of(device.storage())) {
        impl->set_storage_keep_dtype(storage);
      }
      if (device.sizes() != host.sizes() || device.strides() != host.strides() ||
          device.storage_offset() != host.storage_offset()) {
        impl->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
      }
    }
  }

  at::IValue ToDevice(const at::IValue& value) {
    if (value.isTensor()) {
      return DeviceTensor(value.toTensor());
    }
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) {
        list.push_back(DeviceTensor(tensor));
      }
      return list;
    }
    return value;
  }

  at::Tensor DeviceTensor(const at::Tensor& host) {
    if (!host.defined()) {
      return host;
    }
    for (const SharedTensor& shared : tensors_) {
      if (shared.host.is_same(host)) {
        return shared.device;
      }
    }
    return MakeTensor(DeviceStorage(host.storage()), c10::DispatchKey::PrivateUse1, host);
  }

  // The device's storage of the same memory, or a new one with a copy.
  c10::Storage DeviceStorage(const c10::Storage& host) {
    for (const SharedStorage& shared : storages_) {
      if (shared.host.is_alias_of(host)) {
        return shared.device;
      }
    }
    c10::Storage device(c10::Storage::use_byte_size_t(), host.nbytes(),
                        DeviceMemory().allocate(host.nbytes()), &DeviceMemory(),
                        /*resizable=*/true);
    Fill(device, host);
    storages_.push_back({device, host});
    return device;
  }

  void Fill(const c10::Storage& device, const c10::Storage& host) {
    if (host.nbytes() > 0) {
      pages_.Add(device);
      std::memcpy(device.mutable_data(), host.data(), host.nbytes());
    }
  }

  const c10::OperatorHandle& op_;
  std::vector<c10::DataPtr> replaced_;  // outlives pages_
  OpenPages pages_;
  std::vector<SharedStorage> storages_;
  std::vector<SharedTensor> tensors_;
  std::string on_host_;  // a tensor that does not belong here
};

}  // namespace

void RunOnDevice(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op).Run(stack); }

}  // namespace rwku::simulated
