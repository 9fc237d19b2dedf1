#include "worker/engine/train/pack.h"

#include <ATen/ops/tensor.h>

#include "worker/engine/model/to_device.h"

namespace rwku::engine {

LabelledPack PackSequences(absl::Span<const TrainingSequence* const> sequences, at::Device device) {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<int64_t> positions;
  std::vector<int64_t> targets;
  LabelledPack pack;
  int64_t offset = 0;
  for (const TrainingSequence* const sequence : sequences) {
    for (size_t i = 1; i < sequence->tokens.size(); ++i) {
      if (sequence->is_label[i]) {
        positions.push_back(offset + static_cast<int64_t>(i) - 1);
        targets.push_back(sequence->tokens[i]);
      }
    }
    pack.ends.push_back(static_cast<int64_t>(positions.size()));
    offset += static_cast<int64_t>(sequence->tokens.size());
    tokens.push_back(sequence->tokens);
  }
  pack.input = MakePacked(tokens, device);
  pack.positions = ToDevice(at::tensor(positions, at::kLong), device);
  pack.targets = ToDevice(at::tensor(targets, at::kLong), device);
  return pack;
}

at::Tensor AllButLast(const PackedSequences& input) {
  std::vector<int64_t> positions;
  for (size_t i = 0; i + 1 < input.offsets.size(); ++i) {
    for (int64_t p = input.offsets[i]; p + 1 < input.offsets[i + 1]; ++p) {
      positions.push_back(p);
    }
  }
  return ToDevice(at::tensor(positions, at::kLong), input.tokens.device());
}

}  // namespace rwku::engine
