#include "base/digest.h"

#include <string>

#include <gtest/gtest.h>

namespace rwku {
namespace {

TEST(Sha256Test, MatchesThePublishedVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256Test, AMillionLettersPassInManyBlocks) {  // FIPS 180-4 example
  EXPECT_EQ(Sha256Hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, EveryLengthAroundABlockHasADigestOfItsOwn) {
  // SHA-256 of the digests of 0 to 129 letters, joined.
  std::string joined;
  for (size_t length = 0; length < 130; ++length) {
    joined += Sha256Hex(std::string(length, 'x'));
  }
  EXPECT_EQ(Sha256Hex(joined), "199af942eba7fa5d1e16d475169eb24018b14e69339c93d26a9ea6d873b4ace6");
}

TEST(Sha256Test, PartsGiveTheDigestOfTheWhole) {
  Sha256 digest;
  digest.Update("a");
  digest.Update("bc");
  EXPECT_EQ(digest.HexDigest(), Sha256Hex("abc"));
}

}  // namespace
}  // namespace rwku
