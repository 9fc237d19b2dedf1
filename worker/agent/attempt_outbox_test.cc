#include "worker/agent/attempt_outbox.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "worker/agent/convert.h"

namespace rwku::agent {
namespace {

v1::Lease MakeLease() {
  v1::Lease lease;
  lease.set_job("runs/r/jobs/0");
  lease.set_fencing_token(4);
  return lease;
}

v1::Prediction MakePrediction(int index, size_t bytes = 10) {
  v1::Prediction prediction;
  prediction.set_probe_set("forget_level1");
  prediction.set_index(index);
  prediction.set_output(std::string(bytes, 'x'));
  return prediction;
}

TEST(AttemptOutboxTest, AChunkHoldsAtMost256Predictions) {
  AttemptOutbox outbox(MakeLease());
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(outbox.Add(MakePrediction(i)).ok());
  }
  outbox.Complete({});
  EXPECT_EQ(outbox.Next()->prediction_chunk().predictions_size(), 256);
  EXPECT_EQ(outbox.Next()->prediction_chunk().predictions_size(), 44);
  EXPECT_FALSE(outbox.Next().has_value());
}

TEST(AttemptOutboxTest, AChunkHoldsAtMostOneMebibyte) {
  AttemptOutbox outbox(MakeLease());
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(outbox.Add(MakePrediction(i, 300'000)).ok());
  }
  outbox.Complete({});
  int predictions = 0;
  while (const auto message = outbox.Next()) {
    EXPECT_LE(message->prediction_chunk().ByteSizeLong(), size_t{1} << 20);
    predictions += message->prediction_chunk().predictions_size();
  }
  EXPECT_EQ(predictions, 8);
}

TEST(AttemptOutboxTest, APredictionThatFitsIntoNoChunkIsNamed) {
  AttemptOutbox outbox(MakeLease());
  const absl::Status status = outbox.Add(MakePrediction(5, size_t{1} << 20));
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("prediction 5"));
}

TEST(AttemptOutboxTest, CompletedComesOnlyAfterEveryChunkIsAcknowledged) {
  AttemptOutbox outbox(MakeLease(), {.chunk_predictions = 1});
  ASSERT_TRUE(outbox.Add(MakePrediction(0)).ok());
  ASSERT_TRUE(outbox.Add(MakePrediction(1)).ok());
  outbox.Complete({});
  EXPECT_EQ(outbox.Next()->prediction_chunk().sequence(), 0);
  EXPECT_EQ(outbox.Next()->prediction_chunk().sequence(), 1);
  outbox.OnChunkAck(1);
  EXPECT_FALSE(outbox.Next().has_value());
  outbox.OnChunkAck(0);
  const auto completed = outbox.Next();
  ASSERT_TRUE(completed.has_value());
  EXPECT_EQ(completed->completed().chunks(), 2);
  EXPECT_FALSE(outbox.Next().has_value());
}

TEST(AttemptOutboxTest, OnlyWhatIsUnacknowledgedIsWrittenAgainAfterABreak) {
  AttemptOutbox outbox(MakeLease(), {.chunk_predictions = 1});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(outbox.Add(MakePrediction(i)).ok());
    ASSERT_TRUE(outbox.Next().has_value());
  }
  outbox.OnChunkAck(1);
  outbox.OnDisconnected();
  EXPECT_EQ(outbox.Next()->prediction_chunk().sequence(), 0);
  EXPECT_EQ(outbox.Next()->prediction_chunk().sequence(), 2);
  EXPECT_FALSE(outbox.Next().has_value());
}

TEST(AttemptOutboxTest, TheOutcomeIsWrittenAgainAfterABreak) {
  AttemptOutbox outbox(MakeLease());
  outbox.Fail(v1::FAILURE_CLASS_NUMERIC, "loss is NaN at step 3");
  EXPECT_TRUE(outbox.Next()->has_failed());
  EXPECT_FALSE(outbox.Next().has_value());
  outbox.OnDisconnected();
  EXPECT_EQ(outbox.Next()->failed().message(), "loss is NaN at step 3");
}

TEST(AttemptOutboxTest, AFailureDropsTheChunks) {
  AttemptOutbox outbox(MakeLease(), {.chunk_predictions = 1});
  ASSERT_TRUE(outbox.Add(MakePrediction(0)).ok());
  outbox.Fail(v1::FAILURE_CLASS_INTERNAL, "broken");
  EXPECT_TRUE(outbox.Next()->has_failed());
}

TEST(AttemptOutboxTest, AnAttemptWithoutPredictionsCompletesWithNoChunks) {
  AttemptOutbox outbox(MakeLease());
  outbox.Complete({});
  const auto completed = outbox.Next();
  ASSERT_TRUE(completed.has_value());
  EXPECT_EQ(completed->completed().chunks(), 0);
  EXPECT_EQ(completed->completed().result().predictions_digest(), Sha256Hex(""));
}

TEST(AttemptOutboxTest, IsFullWhileAWindowOfChunksWaits) {
  AttemptOutbox outbox(MakeLease(), {.chunk_predictions = 1, .window = 2});
  ASSERT_TRUE(outbox.Add(MakePrediction(0)).ok());
  EXPECT_FALSE(outbox.Full());
  ASSERT_TRUE(outbox.Add(MakePrediction(1)).ok());
  EXPECT_TRUE(outbox.Full());
  outbox.OnChunkAck(0);
  outbox.OnChunkAck(0);
  EXPECT_FALSE(outbox.Full());
}

}  // namespace
}  // namespace rwku::agent
