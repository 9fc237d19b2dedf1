// The wire against a golden copy of itself: what older programs rely on must stay. After a change
// that only adds, write the copy anew:
//
//   RWKU_UPDATE_GOLDEN=1 ctest --test-dir build/<preset> -R DescriptorTest
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rwku/v1/errors.pb.h"
#include "rwku/v1/unlearning.pb.h"
#include "rwku/v1/worker.pb.h"
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace rwku {
namespace {

namespace pb = google::protobuf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

pb::FileDescriptorSet Current() {
  pb::FileDescriptorSet set;
  for (const pb::FileDescriptor* file :
       {v1::ErrorDetails::descriptor()->file(), v1::Prediction::descriptor()->file(),
        v1::Recipe::descriptor()->file(), v1::ReportTable::descriptor()->file(),
        v1::Run::descriptor()->file(), v1::CreateRunRequest::descriptor()->file(),
        v1::WorkerMessage::descriptor()->file()}) {
    file->CopyTo(set.add_file());
  }
  return set;
}

template <typename Items>
const typename Items::value_type* FindByName(const Items& items, const std::string& name) {
  for (const auto& item : items) {
    if (item.name() == name) {
      return &item;
    }
  }
  return nullptr;
}

void CompareEnums(const pb::RepeatedPtrField<pb::EnumDescriptorProto>& golden,
                  const pb::RepeatedPtrField<pb::EnumDescriptorProto>& now,
                  const std::string& scope, std::vector<std::string>* breaks) {
  for (const pb::EnumDescriptorProto& old : golden) {
    const std::string name = absl::StrCat(scope, ".", old.name());
    const auto* found = FindByName(now, old.name());
    if (found == nullptr) {
      breaks->push_back(absl::StrCat("enum ", name, " is gone"));
      continue;
    }
    for (const pb::EnumValueDescriptorProto& value : old.value()) {
      const auto* same = FindByName(found->value(), value.name());
      if (same == nullptr) {
        breaks->push_back(absl::StrCat("value ", name, ".", value.name(), " is gone"));
      } else if (same->number() != value.number()) {
        breaks->push_back(absl::StrCat("value ", name, ".", value.name(), " was ", value.number(),
                                       ", is ", same->number()));
      }
    }
  }
}

std::string Type(const pb::FieldDescriptorProto& field) {
  return absl::StrCat(pb::FieldDescriptorProto::Type_Name(field.type()), " ", field.type_name(),
                      " ", pb::FieldDescriptorProto::Label_Name(field.label()),
                      field.proto3_optional() ? " optional" : "");
}

void CompareMessages(const pb::RepeatedPtrField<pb::DescriptorProto>& golden,
                     const pb::RepeatedPtrField<pb::DescriptorProto>& now, const std::string& scope,
                     std::vector<std::string>* breaks) {
  for (const pb::DescriptorProto& old : golden) {
    const std::string name = absl::StrCat(scope, ".", old.name());
    const auto* found = FindByName(now, old.name());
    if (found == nullptr) {
      breaks->push_back(absl::StrCat("message ", name, " is gone"));
      continue;
    }
    for (const pb::FieldDescriptorProto& field : old.field()) {
      const auto* same = FindByName(found->field(), field.name());
      const std::string path = absl::StrCat(name, ".", field.name());
      if (same == nullptr) {
        breaks->push_back(absl::StrCat("field ", path, " is gone"));
      } else if (same->number() != field.number()) {
        breaks->push_back(
            absl::StrCat("field ", path, " was ", field.number(), ", is ", same->number()));
      } else if (Type(*same) != Type(field)) {
        breaks->push_back(absl::StrCat("field ", path, " was ", Type(field), ", is ", Type(*same)));
      }
    }
    CompareEnums(old.enum_type(), found->enum_type(), name, breaks);
    CompareMessages(old.nested_type(), found->nested_type(), name, breaks);
  }
}

// What in `now` would break a program that was built from `golden`.
std::vector<std::string> BreakingChanges(const pb::FileDescriptorSet& golden,
                                         const pb::FileDescriptorSet& now) {
  std::vector<std::string> breaks;
  for (const pb::FileDescriptorProto& old : golden.file()) {
    const auto* found = FindByName(now.file(), old.name());
    if (found == nullptr) {
      breaks.push_back(absl::StrCat("file ", old.name(), " is gone"));
      continue;
    }
    CompareMessages(old.message_type(), found->message_type(), old.package(), &breaks);
    CompareEnums(old.enum_type(), found->enum_type(), old.package(), &breaks);
    for (const pb::ServiceDescriptorProto& service : old.service()) {
      const auto* same = FindByName(found->service(), service.name());
      for (const pb::MethodDescriptorProto& method : service.method()) {
        const auto* now_method =
            same == nullptr ? nullptr : FindByName(same->method(), method.name());
        if (now_method == nullptr ||
            now_method->SerializeAsString() != method.SerializeAsString()) {
          breaks.push_back(
              absl::StrCat("method ", service.name(), ".", method.name(), " is gone or changed"));
        }
      }
    }
  }
  return breaks;
}

std::filesystem::path GoldenPath() {
  const char* source = std::getenv("RWKU_SOURCE_DIR");
  return std::filesystem::path(source == nullptr ? "." : source) /
         "tests/data/rwku_v1.descriptor.binpb";
}

TEST(DescriptorTest, NothingThatOlderProgramsUseIsGoneOrChanged) {
  if (std::getenv("RWKU_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(GoldenPath(), Current().SerializeAsString()).ok());
  }
  const auto bytes = ReadFile(GoldenPath());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  pb::FileDescriptorSet golden;
  ASSERT_TRUE(golden.ParseFromString(*bytes));
  EXPECT_THAT(BreakingChanges(golden, Current()), IsEmpty());
}

TEST(DescriptorTest, TheGoldenCopyIsUpToDate) {
  const auto bytes = ReadFile(GoldenPath());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_TRUE(*bytes == Current().SerializeAsString())
      << "the wire has grown; run with RWKU_UPDATE_GOLDEN=1 and commit " << GoldenPath();
}

TEST(DescriptorTest, EveryKindOfBreakIsFound) {
  pb::FileDescriptorSet now = Current();
  for (pb::FileDescriptorProto& file : *now.mutable_file()) {
    if (file.name() == "rwku/v1/errors.proto") {
      file.mutable_message_type(0)->mutable_field()->RemoveLast();
      file.mutable_message_type(1)->mutable_field(0)->set_number(9);
      file.mutable_message_type(1)->mutable_field(1)->set_type(
          pb::FieldDescriptorProto::TYPE_BYTES);
    } else if (file.name() == "rwku/v1/worker.proto") {
      file.mutable_service(0)->mutable_method()->RemoveLast();
    } else if (file.name() == "rwku/v1/recipe.proto") {
      file.mutable_enum_type(0)->mutable_value()->RemoveLast();
    }
  }
  EXPECT_THAT(BreakingChanges(Current(), now),
              ElementsAre("field rwku.v1.ErrorDetails.violations is gone",
                          "field rwku.v1.FieldViolation.field was 1, is 9",
                          "field rwku.v1.FieldViolation.description was TYPE_STRING  "
                          "LABEL_OPTIONAL, is TYPE_BYTES  LABEL_OPTIONAL",
                          "value rwku.v1.TuningKind.TUNING_KIND_PARTIAL is gone",
                          "method WorkerService.Connect is gone or changed"));
}

}  // namespace
}  // namespace rwku
