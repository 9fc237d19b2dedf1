// Writes a world as a dataset in RWKU's format.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"

#include "tools/synth/utility.h"
#include "tools/synth/world.h"

namespace rwku::synth {

enum class Layout { kProcessed, kHub };

struct DatasetOptions {
  Layout layout = Layout::kProcessed;
  int corpus_texts = 40;  // positive, negative and pair texts a target
  int reject_texts = 100;
  int passage_repeats = 5;  // one passage text, repeated: a corpus of one text is one training step
  int membership_texts = 8;
  UtilityCounts utility;
};

// Writes into `folder`, which must not exist or be empty: `Target/<n>_<Name>/<file>.json`
// (processed) or `All/<file>.json` (hub), `primers/<set>.txt`, and openers and refusals in
// `corpora/`. Equal arguments give equal bytes.
absl::Status WriteDataset(const World& world, uint64_t seed, const DatasetOptions& options,
                          const std::filesystem::path& folder);

}  // namespace rwku::synth
