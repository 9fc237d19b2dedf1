// digest.h without OpenSSL, for a build of the engine alone: SHA-256 as FIPS 180-4 writes it.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "base/digest.h"

namespace rwku {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kLengthBytes = 8;

constexpr std::array<uint32_t, 64> kRoundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

}  // namespace

struct Sha256::State {
  std::array<uint32_t, 8> words = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, kBlockBytes> block{};
  size_t filled = 0;
  uint64_t bytes = 0;

  void Add(const char* data, size_t size) {
    bytes += size;
    while (size > 0) {
      const size_t taken = std::min(size, kBlockBytes - filled);
      std::memcpy(block.data() + filled, data, taken);
      filled += taken;
      data += taken;
      size -= taken;
      if (filled == kBlockBytes) {
        Compress();
        filled = 0;
      }
    }
  }

  void Compress() {
    std::array<uint32_t, 64> schedule{};
    for (size_t i = 0; i < 16; ++i) {
      for (size_t b = 0; b < 4; ++b) {
        schedule[i] = schedule[i] << 8 | block[4 * i + b];
      }
    }
    for (size_t i = 16; i < schedule.size(); ++i) {
      const uint32_t x = schedule[i - 15];
      const uint32_t y = schedule[i - 2];
      schedule[i] = schedule[i - 16] + (std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3)) +
                    schedule[i - 7] + (std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10));
    }
    auto [a, b, c, d, e, f, g, h] = words;
    for (size_t i = 0; i < schedule.size(); ++i) {
      const uint32_t first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                             ((e & f) ^ (~e & g)) + kRoundConstants[i] + schedule[i];
      const uint32_t second =
          (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + first;
      d = c;
      c = b;
      b = a;
      a = first + second;
    }
    const std::array<uint32_t, 8> added = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < words.size(); ++i) {
      words[i] += added[i];
    }
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}

Sha256::~Sha256() = default;

void Sha256::Update(absl::string_view bytes) { state_->Add(bytes.data(), bytes.size()); }

std::string Sha256::HexDigest() {
  const uint64_t bits = 8 * state_->bytes;
  std::string padding = "\x80";
  while ((state_->filled + padding.size()) % kBlockBytes != kBlockBytes - kLengthBytes) {
    padding += '\0';
  }
  for (size_t i = kLengthBytes; i > 0; --i) {
    padding += static_cast<char>(bits >> (8 * (i - 1)) & 0xff);
  }
  state_->Add(padding.data(), padding.size());
  std::string text;
  for (const uint32_t word : state_->words) {
    absl::StrAppend(&text, absl::Hex(word, absl::kZeroPad8));
  }
  return text;
}

std::string Sha256Hex(absl::string_view bytes) {
  Sha256 digest;
  digest.Update(bytes);
  return digest.HexDigest();
}

}  // namespace rwku
