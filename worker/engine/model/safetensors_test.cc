#include "worker/engine/model/safetensors.h"

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace rwku::engine {
namespace {

using testing::HasSubstr;

std::string File(absl::string_view header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  absl::StrAppend(&file, header);
  return file + std::string(data_bytes, '\1');
}

struct MalformedCase {
  const char* name;
  std::string bytes;
  const char* message;  // part of the error
};

void PrintTo(const MalformedCase& test, std::ostream* out) { *out << test.name; }

std::string WithLength(uint64_t length, absl::string_view rest) {
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return absl::StrCat(file, rest);
}

constexpr char kGood[] = R"("w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})";

std::vector<MalformedCase> MalformedCases() {
  const auto tensor = [](absl::string_view fields) {
    return absl::StrCat("{\"w\":{", fields, "}}");
  };
  return {
      {"NoBytes", "", "too few"},
      {"SevenBytes", "1234567", "too few"},
      {"HeaderLongerThanFile", WithLength(1000, "{}"), "header length 1000"},
      {"HeaderLengthWrapsAround", WithLength(~uint64_t{0}, "{}"), "header length"},
      {"HeaderLengthWrapsAroundByEight", WithLength(~uint64_t{0} - 7, "{}"), "header length"},
      {"HeaderOverTheLimit", WithLength(100'000'001, "{}"), "header length"},
      {"EmptyHeader", File("", 0), "does not begin"},
      {"HeaderStartsWithBlank", File(" {}", 0), "does not begin"},
      {"NotJson", File("{\"w\":", 0), "no JSON"},
      {"BytesAfterJson", File("{}x", 0), "no JSON"},
      {"NulAfterJson", File(absl::string_view("{}\0", 3), 0), "no JSON"},
      {"InvalidUtf8", File("{\"\xff\":{}}", 0), "no JSON"},
      {"TensorIsNumber", File("{\"w\":1}", 0), "'w'"},
      {"TensorIsNull", File("{\"w\":null}", 0), "'w'"},
      {"DeepNesting", File("{\"w\":" + std::string(100'000, '['), 0), "'w'"},
      {"DeepObjects", File("{\"w\":{\"shape\":{\"a\":{}}}}", 0), "'w'"},
      {"UnknownDtype", File(tensor(R"("dtype":"F31","shape":[1],"data_offsets":[0,4])"), 4), "F31"},
      {"UnknownField", File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1)"), 4),
       "'x'"},
      {"NoDtype", File(tensor(R"("shape":[1],"data_offsets":[0,4])"), 4), "must all"},
      {"NoShape", File(tensor(R"("dtype":"F32","data_offsets":[0,4])"), 4), "must all"},
      {"NoOffsets", File(tensor(R"("dtype":"F32","shape":[1])"), 4), "must all"},
      {"OneOffset", File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4])"), 4), "not 2"},
      {"ThreeOffsets", File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])"), 4),
       "not 2"},
      {"NegativeOffset", File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])"), 4),
       "negative"},
      {"NegativeDimension", File(tensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4),
       "negative"},
      {"FractionalDimension",
       File(tensor(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])"), 4), "1.5"},
      {"DimensionBeyond64Bits",
       File(tensor(R"("dtype":"F32","shape":[18446744073709551617],"data_offsets":[0,4])"), 4),
       "64-bit"},
      {"DimensionBeyondSigned",
       File(tensor(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4])"), 4),
       "too large"},
      {"BackwardsOffsets", File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4),
       "not within"},
      {"OffsetsBeyondData", File(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), 4),
       "not within"},
      {"OffsetsWrapAround",
       File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,0])"), 4),
       "not within"},
      // The public proof against safetensors-cpp: the product wraps to 16 bytes.
      {"ShapeProductWrapsToSixteen",
       File(tensor(
                R"("dtype":"F32","shape":[4194305,4194305,211106198978564],"data_offsets":[0,16])"),
            16),
       "overflows"},
      // The public proof against csafetensors: a large shape over few bytes.
      {"ShapeLargerThanOffsets",
       File(tensor(R"("dtype":"F32","shape":[1000000],"data_offsets":[0,4])"), 4), "need 4000000"},
      {"ShapeSmallerThanOffsets",
       File(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"), 8), "need 4"},
      {"SeventeenDimensions",
       File(
           tensor(
               R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"),
           4),
       "dimensions"},
      {"GapBetweenTensors",
       File(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
            R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
            3),
       "gaps"},
      {"GapInFront", File(tensor(R"("dtype":"U8","shape":[1],"data_offsets":[1,2])"), 2), "gaps"},
      {"OverlappingTensors",
       File(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
            R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
            3),
       "gaps"},
      {"TrailingBytes", File(absl::StrCat("{", kGood, "}"), 17), "17 bytes of data"},
      {"DataWithoutTensors", File("{}", 1), "1 bytes of data"},
      {"TensorTwice", File(absl::StrCat("{", kGood, ",", kGood, "}"), 16), "twice"},
      {"FieldTwice",
       File(tensor(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"), 4), "twice"},
      {"MetadataTwice", File(R"({"__metadata__":{"a":"b"},"__metadata__":{"a":"b"}})", 0), "twice"},
      {"MetadataKeyTwice", File(R"({"__metadata__":{"a":"b","a":"c"}})", 0), "twice"},
      {"MetadataIsNumber", File(R"({"__metadata__":{"a":1}})", 0), "__metadata__"},
  };
}

class MalformedSafetensorsTest : public testing::TestWithParam<MalformedCase> {};

TEST_P(MalformedSafetensorsTest, IsRefusedWithTheFileAndTheReason) {
  const std::string& bytes = GetParam().bytes;
  const auto header = ParseSafetensorsHeader(bytes, bytes.size(), "bad.safetensors");
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(header.status().message()), HasSubstr("bad.safetensors"));
  EXPECT_THAT(std::string(header.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Table, MalformedSafetensorsTest, testing::ValuesIn(MalformedCases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SafetensorsTest, EveryPrefixOfAGoodFileIsRefused) {
  const std::string file = File(absl::StrCat("{", kGood, "}"), 16);
  ASSERT_TRUE(ParseSafetensorsHeader(file, file.size(), "f").ok());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseSafetensorsHeader(file.substr(0, size), size, "f").ok()) << size;
  }
}

TEST(SafetensorsTest, EmptyAndScalarTensorsAreRead) {
  const std::string file = File(R"({"none":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},)"
                                R"("one":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )",
                                4);
  const auto header = ParseSafetensorsHeader(file, file.size(), "f");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->entries.size(), 2);
}

class SafetensorsFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              absl::StrCat("safetensors_", getpid(), "_",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static at::Tensor Filled(float value) {
    return at::empty({2, 3}, at::TensorOptions().dtype(at::kFloat)).fill_(value);
  }
  void WriteIndex(absl::string_view weight_map) const {
    ASSERT_TRUE(WriteFileAtomically(folder_ / "model.safetensors.index.json",
                                    absl::StrCat("{\"weight_map\":", weight_map, "}"))
                    .ok());
  }

  std::filesystem::path folder_;
};

TEST_F(SafetensorsFolderTest, WhatIsSavedIsRead) {
  const at::Tensor a = Filled(1.5F);
  const at::Tensor b = Filled(-2).to(at::kBFloat16);
  ASSERT_TRUE(SaveSafetensors({{"a", a}, {"b", b}}, folder_ / "model.safetensors").ok());
  const auto opened = SafetensorsFolder::Open(folder_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->Get("a")->equal(a));
  EXPECT_TRUE(opened->Get("b")->equal(b));
  EXPECT_EQ(opened->Get("c").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SafetensorsFolderTest, TensorsOutliveTheFolderObject) {
  ASSERT_TRUE(SaveSafetensors({{"a", Filled(3)}}, folder_ / "model.safetensors").ok());
  at::Tensor tensor;
  {
    const auto opened = SafetensorsFolder::Open(folder_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    tensor = *opened->Get("a");
  }
  EXPECT_TRUE(tensor.equal(Filled(3)));
}

// More than one piece.
at::Tensor LargeBfloat16() { return at::arange(-700'001, 700'002).mul(0.37).to(at::kBFloat16); }

TEST_F(SafetensorsFolderTest, ReadsIntoTensorsOfOtherDtypes) {
  const at::Tensor large = LargeBfloat16();
  const at::Tensor half = at::arange(64).div(7).to(at::kHalf).view({4, 16});
  const at::Tensor none = at::empty({0, 3});
  ASSERT_TRUE(SaveSafetensors({{"large", large}, {"half", half}, {"none", none}},
                              folder_ / "model.safetensors")
                  .ok());
  const auto opened = SafetensorsFolder::Open(folder_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const CancelToken never;
  const at::Tensor wide = at::zeros({large.numel()}).requires_grad_();
  const at::Tensor same = at::zeros({large.numel()}, at::kBFloat16);
  const at::Tensor wide_half = at::zeros({4, 16});
  const at::Tensor no_elements = at::zeros({0, 3});
  const absl::Status read = opened->ReadInto(
      {{"large", wide}, {"large", same}, {"half", wide_half}, {"none", no_elements}}, never);
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_TRUE(wide.equal(large.to(at::kFloat)));
  EXPECT_TRUE(same.equal(large));
  EXPECT_TRUE(wide_half.equal(half.to(at::kFloat)));
  EXPECT_TRUE(opened->Get("large")->equal(large));
  EXPECT_EQ(opened->ReadInto({{"other", wide}}, never).code(), absl::StatusCode::kNotFound);
}

TEST_F(SafetensorsFolderTest, CancelEndsAReading) {
  ASSERT_TRUE(SaveSafetensors({{"a", LargeBfloat16()}}, folder_ / "model.safetensors").ok());
  const auto opened = SafetensorsFolder::Open(folder_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  CancelToken cancel;
  cancel.Cancel(absl::CancelledError("enough"));
  const at::Tensor to = at::zeros({LargeBfloat16().numel()});
  EXPECT_EQ(opened->ReadInto({{"a", to}}, cancel), absl::CancelledError("enough"));
}

// What may happen to a file after it was opened.
struct ChangeCase {
  const char* name;
  void (*change)(const std::filesystem::path& file);
};

void PrintTo(const ChangeCase& test, std::ostream* out) { *out << test.name; }

class ChangedFileTest : public SafetensorsFolderTest,
                        public testing::WithParamInterface<ChangeCase> {};

TEST_P(ChangedFileTest, IsAnErrorThatNamesTheFile) {
  const std::filesystem::path file = folder_ / "model.safetensors";
  ASSERT_TRUE(SaveSafetensors({{"a", LargeBfloat16()}}, file).ok());
  const auto opened = SafetensorsFolder::Open(folder_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  GetParam().change(file);
  const absl::Status got = opened->Get("a").status();
  EXPECT_EQ(got.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(got.message()), HasSubstr(file.string()));
  const CancelToken never;
  const at::Tensor to = at::zeros({LargeBfloat16().numel()});
  const absl::Status read = opened->ReadInto({{"a", to}}, never);
  EXPECT_EQ(read.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(read.message()), HasSubstr(file.string()));
}

INSTANTIATE_TEST_SUITE_P(
    Changes, ChangedFileTest,
    testing::Values(ChangeCase{"CutOffInTheData",
                               [](const auto& file) { std::filesystem::resize_file(file, 4096); }},
                    ChangeCase{"Emptied",
                               [](const auto& file) { std::filesystem::resize_file(file, 0); }},
                    ChangeCase{"Replaced",
                               [](const auto& file) {
                                 const std::string contents = *ReadFile(file);
                                 ASSERT_TRUE(WriteFileAtomically(file, contents).ok());
                               }},
                    ChangeCase{"WrittenInPlace",
                               [](const auto& file) {
                                 const auto time = std::filesystem::last_write_time(file);
                                 std::filesystem::last_write_time(file,
                                                                  time + std::chrono::seconds(1));
                               }},
                    ChangeCase{"Removed", [](const auto& file) { std::filesystem::remove(file); }}),
    [](const auto& info) { return info.param.name; });

TEST_F(SafetensorsFolderTest, TensorMissingFromItsShardIsNamed) {
  ASSERT_TRUE(SaveSafetensors({{"a", Filled(1)}}, folder_ / "one.safetensors").ok());
  WriteIndex(R"({"a":"one.safetensors","b":"one.safetensors"})");
  const auto opened = SafetensorsFolder::Open(folder_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("'b'"));
}

TEST_F(SafetensorsFolderTest, TensorThatTheIndexDoesNotKnowIsNamed) {
  ASSERT_TRUE(
      SaveSafetensors({{"a", Filled(1)}, {"b", Filled(1)}}, folder_ / "one.safetensors").ok());
  WriteIndex(R"({"a":"one.safetensors"})");
  const auto opened = SafetensorsFolder::Open(folder_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("'b'"));
}

TEST_F(SafetensorsFolderTest, TheSingleFileWinsOverAnIndex) {
  ASSERT_TRUE(SaveSafetensors({{"a", Filled(1)}}, folder_ / "model.safetensors").ok());
  ASSERT_TRUE(SaveSafetensors({{"a", Filled(2)}}, folder_ / "one.safetensors").ok());
  WriteIndex(R"({"a":"one.safetensors"})");
  const auto opened = SafetensorsFolder::Open(folder_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->Get("a")->equal(Filled(1)));
}

TEST_F(SafetensorsFolderTest, ShardOutsideTheFolderIsRefused) {
  for (const char* shard : {"../one.safetensors", "/etc/passwd", "", "sub/one.safetensors"}) {
    WriteIndex(absl::StrCat("{\"a\":\"", shard, "\"}"));
    EXPECT_EQ(SafetensorsFolder::Open(folder_).status().code(), absl::StatusCode::kInvalidArgument)
        << shard;
  }
}

}  // namespace
}  // namespace rwku::engine
