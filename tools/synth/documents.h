// The seeded stream of documents that teaches the tiny model its world.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.h"
#include "tools/synth/document.h"
#include "tools/synth/person_documents.h"
#include "tools/synth/shares.h"
#include "tools/synth/utility_documents.h"
#include "tools/synth/world.h"

namespace rwku::synth {

// Endless. The share of documents about people grows with their number, so that a document about a
// given person or a given toy task comes about as often in every small world. Equal worlds and
// seeds give equal streams. Keeps a reference to `world`. Not thread-safe.
class DocumentStream {
 public:
  DocumentStream(const World& world, uint64_t seed);

  DocumentStream(const DocumentStream&) = delete;  // its parts share its random_
  DocumentStream& operator=(const DocumentStream&) = delete;

  Document Next();

 private:
  // One of the two is set.
  struct Kind {
    Document (PersonDocuments::*person)() = nullptr;
    Document (UtilityDocuments::*utility)() = nullptr;
  };
  using Mixture = std::array<Share<Kind>, 14>;

  static Mixture MixtureFor(const World& world);

  const Mixture mixture_;
  Random random_;
  PersonDocuments people_;
  UtilityDocuments utility_;
};

}  // namespace rwku::synth
