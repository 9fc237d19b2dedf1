#include "benchmark/dataset/dataset.h"

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "base/check.h"
#include "base/file.h"
#include "base/near_match.h"
#include "base/status_macros.h"
#include "benchmark/dataset/json_array.h"
#include "benchmark/dataset/record.h"
#include "benchmark/dataset/subject_index.h"

namespace rwku::dataset {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kIntroFile = "intro.json";

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool IsFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Below the root: "All/pair.json", "pair.json".
std::string Join(absl::string_view folder, absl::string_view file) {
  return folder.empty() ? std::string(file) : absl::StrCat(folder, "/", file);
}

// Names of the folders in `path`, sorted, so that errors do not depend on the disk.
absl::StatusOr<std::vector<std::string>> FoldersIn(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (IsFolder(it->path())) {
      names.push_back(it->path().filename().string());
    }
  }
  if (error) {
    return absl::NotFoundError(absl::StrCat("cannot list ", path.string(), ": ", error.message()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// 12 of "12_Name"; 0 for other names, which are none of ours.
int NumberOfFolder(absl::string_view name) {
  const size_t end = name.find('_');
  int number = 0;
  if (end == absl::string_view::npos || end + 1 == name.size() ||
      !absl::SimpleAtoi(name.substr(0, end), &number) || !absl::ascii_isdigit(name[0])) {
    return 0;
  }
  return number;
}

// An older layout begins each introduction with "Please forget <name>. ".
std::string WithoutRequest(absl::string_view intro, absl::string_view name) {
  absl::ConsumePrefix(&intro, absl::StrCat("Please forget ", name, "."));
  return std::string(absl::StripLeadingAsciiWhitespace(intro));
}

absl::StatusOr<TargetInfo> ParseIntro(const Record& record) {
  TargetInfo target;
  // The Hub's file says "target"; "subject" is what every other file says.
  RWKU_ASSIGN_OR_RETURN(
      target.name,
      record.Text(record.Has("target") || !record.Has("subject") ? "target" : "subject"));
  RWKU_ASSIGN_OR_RETURN(const std::string intro, record.Text("intro"));
  target.intro = WithoutRequest(intro, target.name);
  return target;
}

absl::StatusOr<std::vector<TargetInfo>> ReadIntros(const fs::path& path, const std::string& name) {
  std::vector<TargetInfo> targets;
  JsonArrayReader reader(path, name);
  std::string text;
  ElementSpan span;
  while (true) {
    RWKU_ASSIGN_OR_RETURN(const bool more, reader.Next(&text, &span));
    if (!more) {
      break;
    }
    const std::string record_name = RecordName(name, span.index);
    RWKU_ASSIGN_OR_RETURN(const nlohmann::json object, ParseObject(text, record_name));
    RWKU_ASSIGN_OR_RETURN(TargetInfo target, ParseIntro(Record(object, record_name)));
    targets.push_back(std::move(target));
  }
  if (targets.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": holds no target"));
  }
  return targets;
}

absl::Status NoRecords(const std::string& file, const std::string& target) {
  return absl::NotFoundError(absl::StrCat(file, ": holds no record of target \"", target, "\""));
}

}  // namespace

absl::string_view LayoutName(Layout layout) { return layout == Layout::kHub ? "hub" : "processed"; }

Dataset::Dataset(fs::path root, Layout layout) : root_(std::move(root)), layout_(layout) {}

Dataset::~Dataset() = default;

absl::StatusOr<std::unique_ptr<Dataset>> Dataset::Open(const fs::path& path) {
  if (!IsFolder(path)) {
    return absl::NotFoundError(absl::StrCat("dataset ", path.string(), " is not a folder"));
  }
  const bool processed = IsFolder(path / "Target");
  const bool all = IsFile(path / "All" / std::string(kIntroFile));
  if (!processed && !all && !IsFile(path / std::string(kIntroFile))) {
    return absl::NotFoundError(absl::StrCat(
        "dataset ", path.string(),
        ": found neither Target/<number>_<Name>/ nor All/intro.json nor intro.json in it"));
  }
  std::unique_ptr<Dataset> dataset(
      new Dataset(path, processed ? Layout::kProcessed : Layout::kHub));
  if (processed) {
    RWKU_RETURN_IF_ERROR(dataset->ReadProcessedTargets());
    RWKU_RETURN_IF_ERROR(dataset->ReadBatches());
  } else {
    RWKU_RETURN_IF_ERROR(dataset->ReadHubTargets(all ? "All" : ""));
  }
  std::sort(dataset->targets_.begin(), dataset->targets_.end(),
            [](const TargetInfo& a, const TargetInfo& b) { return a.number < b.number; });
  return dataset;
}

absl::Status Dataset::ReadHubTargets(const std::string& folder) {
  const std::string file = Join(folder, kIntroFile);
  RWKU_ASSIGN_OR_RETURN(const fs::path path, ResolveBelow(root_, file, "dataset file"));
  RWKU_ASSIGN_OR_RETURN(std::vector<TargetInfo> targets, ReadIntros(path, file));
  TargetInfo contents;  // the same for all
  contents.folder = folder;
  ListContents(&contents);
  for (TargetInfo& target : targets) {
    target.number = static_cast<int>(targets_.size()) + 1;
    target.folder = folder;
    target.corpora = contents.corpora;
    target.probe_sets = contents.probe_sets;
    RWKU_RETURN_IF_ERROR(AddTarget(std::move(target)));
  }
  return absl::OkStatus();
}

absl::Status Dataset::ReadProcessedTargets() {
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> folders, FoldersIn(root_ / "Target"));
  for (const std::string& name : folders) {
    const int number = NumberOfFolder(name);
    if (number == 0) {
      continue;
    }
    const std::string folder = Join("Target", name);
    const std::string file = Join(folder, kIntroFile);
    RWKU_ASSIGN_OR_RETURN(const fs::path path, ResolveBelow(root_, file, "dataset file"));
    RWKU_ASSIGN_OR_RETURN(std::vector<TargetInfo> targets, ReadIntros(path, file));
    if (targets.size() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": found ", targets.size(), " records, expected 1"));
    }
    TargetInfo& target = targets.front();
    target.number = number;
    target.folder = folder;
    ListContents(&target);
    RWKU_RETURN_IF_ERROR(AddTarget(std::move(target)));
  }
  if (targets_.empty()) {
    return absl::NotFoundError(
        absl::StrCat((root_ / "Target").string(), ": holds no folder <number>_<Name>"));
  }
  return absl::OkStatus();
}

absl::Status Dataset::ReadBatches() {
  if (!IsFolder(root_ / "Batch")) {
    return absl::OkStatus();
  }
  RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> folders, FoldersIn(root_ / "Batch"));
  for (const std::string& name : folders) {
    TargetInfo batch;
    batch.name = name;
    batch.folder = Join("Batch", name);
    ListContents(&batch);
    batches_.push_back(std::move(batch));
  }
  return absl::OkStatus();
}

absl::Status Dataset::AddTarget(TargetInfo target) {
  for (const TargetInfo& other : targets_) {
    if (other.name == target.name || other.number == target.number) {
      return absl::InvalidArgumentError(absl::StrCat(
          "dataset ", root_.string(), ": targets ", other.number, " \"", other.name, "\" and ",
          target.number, " \"", target.name, "\" have the same name or number"));
    }
  }
  targets_.push_back(std::move(target));
  return absl::OkStatus();
}

void Dataset::ListContents(TargetInfo* target) const {
  const fs::path folder = root_ / target->folder;
  for (const absl::string_view family : {"", "phi3"}) {
    for (const CorpusKind kind : kAllCorpusKinds) {
      const std::string file = CorpusFile(kind, family);
      const std::string name(absl::StripSuffix(file, ".json"));
      if (IsFile(folder / file) && std::find(target->corpora.begin(), target->corpora.end(),
                                             name) == target->corpora.end()) {
        target->corpora.push_back(name);
      }
    }
  }
  for (const ProbeSet set : kAllProbeSets) {
    if (IsFile(folder / std::string(ProbeSetFile(set)))) {
      target->probe_sets.push_back(set);
    }
  }
}

absl::Status Dataset::ForEachRecord(const TargetInfo& target, const std::string& file,
                                    const RecordVisitor& visit) const {
  const std::string name = Join(target.folder, file);
  const absl::StatusOr<fs::path> path = ResolveBelow(root_, name, "dataset file");
  if (!path.ok()) {
    return path.status();
  }
  if (layout_ == Layout::kHub) {
    return ForEachIndexedRecord(target, *path, name, visit);
  }
  const bool batch = target.number == 0;
  JsonArrayReader reader(*path, name);
  std::string text;
  ElementSpan span;
  size_t count = 0;
  while (true) {
    RWKU_ASSIGN_OR_RETURN(const bool more, reader.Next(&text, &span));
    if (!more) {
      break;
    }
    const std::string record_name = RecordName(name, span.index);
    RWKU_ASSIGN_OR_RETURN(const nlohmann::json object, ParseObject(text, record_name));
    const Record record(object, record_name);
    RWKU_ASSIGN_OR_RETURN(const std::string subject, record.Text("subject"));
    if (!batch && subject != target.name) {
      return record.Error("subject",
                          absl::StrCat("found \"", subject, "\", expected \"", target.name, "\""));
    }
    RWKU_RETURN_IF_ERROR(visit(record));
    ++count;
  }
  return count == 0 ? NoRecords(name, target.name) : absl::OkStatus();
}

absl::Status Dataset::ForEachIndexedRecord(const TargetInfo& target, const fs::path& path,
                                           const std::string& name,
                                           const RecordVisitor& visit) const {
  std::shared_ptr<const SubjectIndex> index;
  {
    const absl::MutexLock lock(&mu_);
    index = indexes_[path.string()];
  }
  if (index == nullptr) {
    // Two readers may build it at once; both results are the same.
    RWKU_ASSIGN_OR_RETURN(index, SubjectIndex::Build(path, name));
    const absl::MutexLock lock(&mu_);
    indexes_[path.string()] = index;
  }
  const std::vector<ElementSpan>& spans = index->Spans(target.name);
  if (spans.empty()) {
    return NoRecords(name, target.name);
  }
  std::ifstream stream(path, std::ios::binary);
  for (const ElementSpan& span : spans) {
    const std::string record_name = RecordName(name, span.index);
    RWKU_ASSIGN_OR_RETURN(const std::string text, ReadSpan(stream, span, name));
    RWKU_ASSIGN_OR_RETURN(const nlohmann::json object, ParseObject(text, record_name));
    const Record record(object, record_name);
    RWKU_ASSIGN_OR_RETURN(const std::string subject, record.Text("subject"));
    if (subject != target.name) {
      return absl::FailedPreconditionError(
          absl::StrCat(record_name, ": the file changed while in use"));
    }
    RWKU_RETURN_IF_ERROR(visit(record));
  }
  return absl::OkStatus();
}

template <typename T, typename Parse>
absl::StatusOr<std::vector<T>> Dataset::LoadAll(const TargetInfo& target, const std::string& file,
                                                const Parse& parse) const {
  std::vector<T> items;
  RWKU_RETURN_IF_ERROR(ForEachRecord(target, file, [&](const Record& record) -> absl::Status {
    RWKU_ASSIGN_OR_RETURN(T item, parse(record));
    items.push_back(std::move(item));
    return absl::OkStatus();
  }));
  return items;
}

absl::StatusOr<std::vector<Probe>> Dataset::LoadProbes(const TargetInfo& target,
                                                       ProbeSet set) const {
  if (!IsQuestionSet(set)) {
    return absl::InvalidArgumentError(
        absl::StrCat("probe set ", ProbeSetName(set), " holds no questions of levels 1 to 3"));
  }
  return LoadAll<Probe>(target, std::string(ProbeSetFile(set)),
                        [set](const Record& record) { return ParseProbe(record, set); });
}

absl::StatusOr<std::vector<MiaText>> Dataset::LoadMiaTexts(const TargetInfo& target,
                                                           ProbeSet set) const {
  if (!IsMiaSet(set)) {
    return absl::InvalidArgumentError(
        absl::StrCat("probe set ", ProbeSetName(set), " holds no membership texts"));
  }
  return LoadAll<MiaText>(target, std::string(ProbeSetFile(set)), ParseMiaText);
}

absl::StatusOr<std::vector<std::string>> Dataset::LoadCorpus(const TargetInfo& target,
                                                             CorpusKind kind,
                                                             absl::string_view family) const {
  if (kind == CorpusKind::kPair || kind == CorpusKind::kReject) {
    return absl::InvalidArgumentError(
        absl::StrCat("corpus ", CorpusKindName(kind), " holds no plain texts"));
  }
  return LoadAll<std::string>(target, CorpusFile(kind, family), ParseCorpusText);
}

absl::StatusOr<std::vector<PairRecord>> Dataset::LoadPairs(const TargetInfo& target,
                                                           absl::string_view family) const {
  return LoadAll<PairRecord>(target, CorpusFile(CorpusKind::kPair, family), ParsePair);
}

absl::StatusOr<std::vector<RejectRecord>> Dataset::LoadRejects(const TargetInfo& target,
                                                               absl::string_view family) const {
  return LoadAll<RejectRecord>(target, CorpusFile(CorpusKind::kReject, family), ParseReject);
}

absl::StatusOr<std::vector<MmluItem>> Dataset::LoadMmlu(const TargetInfo& target) const {
  return LoadAll<MmluItem>(target, std::string(ProbeSetFile(ProbeSet::kMmlu)), ParseMmlu);
}

absl::StatusOr<std::vector<BbhItem>> Dataset::LoadBbh(const TargetInfo& target) const {
  return LoadAll<BbhItem>(target, std::string(ProbeSetFile(ProbeSet::kBbh)), ParseBbh);
}

absl::StatusOr<std::vector<TruthfulItem>> Dataset::LoadTruthful(const TargetInfo& target) const {
  return LoadAll<TruthfulItem>(target, std::string(ProbeSetFile(ProbeSet::kTruthfulQa)),
                               ParseTruthful);
}

absl::StatusOr<std::vector<TriviaItem>> Dataset::LoadTrivia(const TargetInfo& target) const {
  return LoadAll<TriviaItem>(target, std::string(ProbeSetFile(ProbeSet::kTriviaQa)), ParseTrivia);
}

absl::StatusOr<std::vector<std::string>> Dataset::LoadFluency(const TargetInfo& target) const {
  return LoadAll<std::string>(target, std::string(ProbeSetFile(ProbeSet::kFluency)), ParseFluency);
}

}  // namespace rwku::dataset
