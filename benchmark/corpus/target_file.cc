#include "benchmark/corpus/target_file.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <nlohmann/json.hpp>

#include "base/near_match.h"
#include "base/status_macros.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/dataset/record_check.h"

namespace rwku::corpus {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Wrong(absl::string_view file, absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": field \"", field, "\": ", what));
}

// A field of the file itself.
absl::StatusOr<std::string> TextField(const Json& object, absl::string_view field,
                                      absl::string_view file) {
  const auto found = object.find(std::string(field));
  if (found == object.end()) {
    return Wrong(file, field, "is missing");
  }
  if (!found->is_string()) {
    return Wrong(file, field, absl::StrCat("found ", found->type_name(), ", expected string"));
  }
  return found->get<std::string>();
}

absl::StatusOr<RecordFile> ProbeFile(const std::string& set_name, const Json& records,
                                     const Subject& subject, absl::string_view file) {
  const std::string field = absl::StrCat("probes.", set_name);
  const absl::StatusOr<dataset::ProbeSet> set = dataset::ParseProbeSet(set_name);
  if (!set.ok()) {
    return Wrong(file, field, set.status().message());
  }
  if (!records.is_array() || records.empty()) {
    return Wrong(file, field, "expected an array of at least one record");
  }
  Json written = Json::array();
  for (size_t i = 0; i < records.size(); ++i) {
    Json record = records[i];
    if (record.is_object() && !record.contains("subject")) {
      record["subject"] = subject.name;
    }
    RWKU_RETURN_IF_ERROR(
        dataset::CheckProbeRecord(*set, record.dump(-1, ' ', false, Json::error_handler_t::replace),
                                  subject.name, absl::StrCat(file, ": ", field, ": record ", i)));
    written.push_back(std::move(record));
  }
  return RecordFile{std::string(dataset::ProbeSetFile(*set)),
                    written.dump(4, ' ', false, Json::error_handler_t::replace) + "\n",
                    static_cast<int>(written.size()), 0};
}

std::string TextProblem(absl::string_view text, size_t limit) {
  if (absl::StripAsciiWhitespace(text) != text || text.empty()) {
    return absl::StrCat("found \"", text,
                        "\", expected a text that neither begins nor ends in white space");
  }
  if (text.size() > limit) {
    return absl::StrCat("found ", text.size(), " bytes, allowed at most ", limit);
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); })) {
    return "holds a control character";
  }
  return "";
}

}  // namespace

std::string NameProblem(absl::string_view name) {
  std::string problem = TextProblem(name, kMaxNameBytes);
  if (problem.empty() && absl::StrContains(name, '/')) {
    problem = absl::StrCat("found \"", name, "\", which holds '/'; a name is a folder's, too");
  }
  return problem;
}

std::string IntroProblem(absl::string_view intro) { return TextProblem(intro, kMaxIntroBytes); }

absl::StatusOr<TargetFile> ParseTargetFile(absl::string_view text, absl::string_view file) {
  const Json object = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": expected a JSON object with \"name\", \"intro\" and \"probes\""));
  }
  const std::vector<std::string> fields = {"name", "intro", "probes"};
  for (const auto& [field, value] : object.items()) {
    if (std::find(fields.begin(), fields.end(), field) == fields.end()) {
      return Wrong(file, field, UnknownNameMessage("field", field, fields));
    }
  }
  TargetFile target;
  RWKU_ASSIGN_OR_RETURN(target.subject.name, TextField(object, "name", file));
  RWKU_ASSIGN_OR_RETURN(target.subject.intro, TextField(object, "intro", file));
  if (const std::string problem = NameProblem(target.subject.name); !problem.empty()) {
    return Wrong(file, "name", problem);
  }
  if (const std::string problem = IntroProblem(target.subject.intro); !problem.empty()) {
    return Wrong(file, "intro", problem);
  }
  if (!object.contains("probes")) {
    return target;
  }
  const Json& probes = object["probes"];
  if (!probes.is_object()) {
    return Wrong(file, "probes", absl::StrCat("found ", probes.type_name(), ", expected object"));
  }
  for (const auto& [set, records] : probes.items()) {
    RWKU_ASSIGN_OR_RETURN(RecordFile probe_file, ProbeFile(set, records, target.subject, file));
    target.probes.push_back(std::move(probe_file));
  }
  return target;
}

}  // namespace rwku::corpus
