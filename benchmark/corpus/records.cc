#include "benchmark/corpus/records.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/status_macros.h"
#include "benchmark/corpus/prompts.h"
#include "benchmark/metrics/text.h"

namespace rwku::corpus {
namespace {

using Json = nlohmann::ordered_json;
using TextsBySet = std::map<TextSet, std::vector<Text>>;

bool IsBlank(const std::string& text) { return metrics::StripWhitespace(text).empty(); }

std::string Dump(const Json& json) {
  return json.dump(4, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<TextsBySet> Sorted(const Subject& subject, absl::Span<const Text> texts) {
  TextsBySet by_set;
  for (const Text& text : texts) {
    if (text.subject != subject.name) {
      return absl::InternalError(absl::StrCat("a text about \"", text.subject,
                                              "\" came among those about \"", subject.name, "\""));
    }
    by_set[text.set].push_back(text);
  }
  for (auto& [set, of_set] : by_set) {
    std::sort(of_set.begin(), of_set.end(),
              [](const Text& a, const Text& b) { return a.index < b.index; });
    for (size_t i = 0; i < of_set.size(); ++i) {
      if (of_set[i].index != static_cast<int>(i)) {
        return absl::InternalError(absl::StrCat(TextSetName(set), " of \"", subject.name,
                                                "\": text ", i, " is missing or there twice"));
      }
    }
  }
  return by_set;
}

// Collects the records of one file.
class Records {
 public:
  void Add(Json record, bool is_blank) {
    if (is_blank) {
      ++left_out_;
    } else {
      array_.push_back(std::move(record));
    }
  }

  RecordFile File(std::string name) const {
    return {std::move(name), Dump(array_), static_cast<int>(array_.size()), left_out_};
  }

 private:
  Json array_ = Json::array();
  int left_out_ = 0;
};

std::string IdOf(const Subject& subject, size_t index) {
  return absl::StrCat(subject.name, " ", index);
}

Records TextRecords(const Subject& subject, const std::vector<Text>& texts) {
  Records records;
  for (size_t i = 0; i < texts.size(); ++i) {
    records.Add({{"id", IdOf(subject, i)},
                 {"subject", subject.name},
                 {"text", texts[i].output},
                 {"intro", subject.intro}},
                IsBlank(texts[i].output));
  }
  return records;
}

Records PairRecords(const Subject& subject, const std::vector<Text>& positive,
                    const std::vector<Text>& negative) {
  Records records;
  for (size_t i = 0; i < positive.size(); ++i) {
    records.Add({{"id", IdOf(subject, i)},
                 {"subject", subject.name},
                 {"prompt", PairPrompt(subject)},
                 {"response", Json::array({negative[i].output, positive[i].output})},
                 {"intro", subject.intro}},
                IsBlank(positive[i].output) || IsBlank(negative[i].output));
  }
  return records;
}

Records RejectRecords(const Subject& subject, const std::vector<Text>& questions) {
  Records records;
  for (const Text& question : questions) {
    records.Add({{"instruction", question.output},
                 {"input", ""},
                 {"output", question.refusal},
                 {"subject", subject.name},
                 {"intro", subject.intro}},
                IsBlank(question.output));
  }
  return records;
}

}  // namespace

std::string TargetFolder(int number, absl::string_view name) {
  return absl::StrCat("Target/", number, "_", absl::StrReplaceAll(name, {{" ", "_"}}));
}

RecordFile IntroFile(const Subject& subject) {
  const Json array = Json::array({{{"target", subject.name}, {"intro", subject.intro}}});
  return {"intro.json", Dump(array), 1, 0};
}

absl::StatusOr<std::vector<RecordFile>> MakeRecordFiles(const Subject& subject,
                                                        absl::Span<const CorpusKind> kinds,
                                                        absl::string_view family,
                                                        absl::Span<const Text> texts) {
  RWKU_ASSIGN_OR_RETURN(TextsBySet by_set, Sorted(subject, texts));
  for (const TextSet set : TextSetsOf(kinds)) {
    if (by_set[set].empty()) {
      return absl::InternalError(
          absl::StrCat(TextSetName(set), " of \"", subject.name, "\": no text came"));
    }
  }
  const std::vector<Text>& positive = by_set[TextSet::kPositive];
  const std::vector<Text>& negative = by_set[TextSet::kNegative];
  std::vector<RecordFile> files;
  for (const CorpusKind kind : kinds) {
    Records records;
    switch (kind) {
      case CorpusKind::kPositive:
        records = TextRecords(subject, positive);
        break;
      case CorpusKind::kNegative:
        records = TextRecords(subject, negative);
        break;
      case CorpusKind::kPair:
        if (positive.size() != negative.size()) {
          return absl::InternalError(absl::StrCat("\"", subject.name, "\": ", positive.size(),
                                                  " positive and ", negative.size(),
                                                  " negative texts make no pairs"));
        }
        records = PairRecords(subject, positive, negative);
        break;
      case CorpusKind::kReject:
        records = RejectRecords(subject, by_set[TextSet::kQuestion]);
        break;
      case CorpusKind::kPassage:
        return absl::InvalidArgumentError("passages are not written by a model");
    }
    files.push_back(records.File(dataset::CorpusFile(kind, family)));
  }
  return files;
}

}  // namespace rwku::corpus
