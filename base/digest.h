// SHA-256, for content addresses and for proving that two byte strings are the same.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace rwku {

// Not thread-safe: one object a thread.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(absl::string_view bytes);
  // Lower-case hexadecimal, 64 characters. Ends the computation: call once, last.
  std::string HexDigest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(absl::string_view bytes);

}  // namespace rwku
