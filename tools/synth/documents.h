// The seeded stream of documents that teaches the tiny model its world.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "tools/synth/document.h"
#include "tools/synth/person_documents.h"
#include "tools/synth/utility_documents.h"
#include "tools/synth/world.h"

namespace rwku::synth {

// Endless. Equal worlds and seeds give equal streams. Keeps a reference to `world`. Not
// thread-safe.
class DocumentStream {
 public:
  DocumentStream(const World& world, uint64_t seed);

  DocumentStream(const DocumentStream&) = delete;  // its parts share its random_
  DocumentStream& operator=(const DocumentStream&) = delete;

  Document Next();

 private:
  Random random_;
  PersonDocuments people_;
  UtilityDocuments utility_;
};

}  // namespace rwku::synth
