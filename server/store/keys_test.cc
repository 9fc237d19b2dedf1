#include "server/store/keys.h"

#include <string>

#include "gtest/gtest.h"

namespace rwku::store {
namespace {

TEST(KeysTest, NumbersSortInTheOrderOfTheirValues) {
  const RunId run("r");
  EXPECT_LT(JobKey(run, 255), JobKey(run, 256));
  EXPECT_LT(EventKey(run, 255), EventKey(run, 1ULL << 40));
  EXPECT_LT(ChunkKey(JobId("r/0"), 1, 9), ChunkKey(JobId("r/0"), 2, 0));
}

TEST(KeysTest, TheKeysOfARunLieBetweenItsPrefixAndTheNext) {
  const std::string end = AfterPrefix(JobPrefix(RunId("r")));
  EXPECT_LT(JobKey(RunId("r"), 0x7fffffff), end);
  EXPECT_GT(JobKey(RunId("r1"), 0), end);
  EXPECT_LT(ChunkKey(JobId("r/9"), UINT64_MAX, 9), AfterPrefix(RunChunksPrefix(RunId("r"))));
}

TEST(KeysTest, TheWorkedExampleOfTheDocumentHolds) {
  EXPECT_EQ(JobKey(RunId("r1"), 2), std::string("r1\0\0\0\0\x02", 7));
  EXPECT_EQ(ChunkKey(JobId("r1/2"), 3, 1), std::string("r1/2\0\0\0\0\0\0\0\0\x03\0\0\0\x01", 17));
}

TEST(KeysTest, ANumberComesBackFromItsBytes) {
  EXPECT_EQ(DecodeUint64(EncodeUint64(0x0102030405060708)), 0x0102030405060708u);
}

}  // namespace
}  // namespace rwku::store
