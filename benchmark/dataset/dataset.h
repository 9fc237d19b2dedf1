// A dataset folder in either layout of RWKU: who can be forgotten, with which probes and corpora.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

#include "benchmark/dataset/corpora.h"
#include "benchmark/dataset/probe_set.h"
#include "benchmark/dataset/probes.h"
#include "benchmark/dataset/utility.h"

namespace rwku::dataset {

class SubjectIndex;

enum class Layout {
  kHub,        // one file per kind over all targets, in "All/" or in the folder itself
  kProcessed,  // "Target/<number>_<Name>/" with its own files, "Batch/<1-10>/" for batches
};

// "hub", "processed".
absl::string_view LayoutName(Layout layout);

struct TargetInfo {
  int number = 0;  // from 1; 0 for a batch
  std::string name;
  // One sentence about the target, without a leading "Please forget X. "; empty for a batch.
  std::string intro;
  std::string folder;  // below the dataset's root, e.g. "Target/1_Stephen_King"
  // What the dataset has files for, e.g. "positive", "positive_phi".
  std::vector<std::string> corpora;
  std::vector<ProbeSet> probe_sets;
};

// Everything is read on demand; a file of the Hub layout is never held whole: the first use of it
// streams it once to learn where each target's records lie. Thread-safe.
//
// Load functions return the records of one target in file order, never an empty list: a target
// without records is NOT_FOUND. INVALID_ARGUMENT names file, record and field of what is wrong.
// The TargetInfo must come from the same dataset.
class Dataset {
 public:
  // Where a path holds both layouts, the processed one counts. NOT_FOUND or INVALID_ARGUMENT says
  // what was looked for.
  static absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::filesystem::path& path);

  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  ~Dataset();

  Layout layout() const { return layout_; }
  const std::filesystem::path& root() const { return root_; }

  // Ordered by number.
  const std::vector<TargetInfo>& targets() const { return targets_; }
  // The folders of Batch/, e.g. "1-10"; processed layout only. Their records are those of several
  // targets.
  const std::vector<TargetInfo>& batches() const { return batches_; }

  // A target by name ("Stephen King") or number ("1"). NOT_FOUND with near matches. The pointer
  // lives as long as the dataset.
  absl::StatusOr<const TargetInfo*> FindTarget(absl::string_view name_or_number) const;

  // Targets of selectors: a name, a number, or a range of numbers "1-10" that all exist. Ordered by
  // number, each once; no selectors mean all targets.
  absl::StatusOr<std::vector<const TargetInfo*>> Select(
      absl::Span<const std::string> selectors) const;

  // forget_level1..3, neighbor_level1..2.
  absl::StatusOr<std::vector<Probe>> LoadProbes(const TargetInfo& target, ProbeSet set) const;
  // forget_mia, retain_mia.
  absl::StatusOr<std::vector<MiaText>> LoadMiaTexts(const TargetInfo& target, ProbeSet set) const;

  // Texts of the kinds passage, positive and negative; `family` as in CorpusFile.
  absl::StatusOr<std::vector<std::string>> LoadCorpus(const TargetInfo& target, CorpusKind kind,
                                                      absl::string_view family) const;
  absl::StatusOr<std::vector<PairRecord>> LoadPairs(const TargetInfo& target,
                                                    absl::string_view family) const;
  absl::StatusOr<std::vector<RejectRecord>> LoadRejects(const TargetInfo& target,
                                                        absl::string_view family) const;

  absl::StatusOr<std::vector<MmluItem>> LoadMmlu(const TargetInfo& target) const;
  absl::StatusOr<std::vector<BbhItem>> LoadBbh(const TargetInfo& target) const;
  absl::StatusOr<std::vector<TruthfulItem>> LoadTruthful(const TargetInfo& target) const;
  absl::StatusOr<std::vector<TriviaItem>> LoadTrivia(const TargetInfo& target) const;
  absl::StatusOr<std::vector<std::string>> LoadFluency(const TargetInfo& target) const;

  // The solved questions before every question of truthfulqa or triviaqa, the same for all targets:
  // the bytes of primers/<set>.txt, primers/primer_<set>.txt or primer_<set>.txt, whichever is
  // there first. Nothing is stripped: the end of the file is what the question follows. NOT_FOUND
  // names the files looked for, INVALID_ARGUMENT the sets that have a primer.
  absl::StatusOr<std::string> LoadPrimer(ProbeSet set) const;

  // Beginnings of biographies that the model under test continues, in order; the empty one is a
  // beginning, too. A JSON array of strings: openers.json or all_truncated_outputs.json, in
  // corpora/ or in the folder itself, whichever is there first. NOT_FOUND names the files looked
  // for, INVALID_ARGUMENT file and opener.
  absl::StatusOr<std::vector<std::string>> LoadOpeners() const;
  // Answers that refuse, one a line, without white space around them: refusals.jsonl or
  // idontknow.jsonl, looked for like the openers.
  absl::StatusOr<std::vector<std::string>> LoadRefusals() const;

 private:
  using RecordVisitor = std::function<absl::Status(const Record&)>;

  Dataset(std::filesystem::path root, Layout layout);

  absl::Status ReadHubTargets(const std::string& folder);
  absl::Status ReadProcessedTargets();
  absl::Status ReadBatches();
  absl::Status AddTarget(TargetInfo target);
  void ListContents(TargetInfo* target) const;

  // Calls `visit` with each record of the target in `file`, in order.
  absl::Status ForEachRecord(const TargetInfo& target, const std::string& file,
                             const RecordVisitor& visit) const;
  absl::Status ForEachIndexedRecord(const TargetInfo& target, const std::filesystem::path& path,
                                    const std::string& name, const RecordVisitor& visit) const;
  template <typename T, typename Parse>
  absl::StatusOr<std::vector<T>> LoadAll(const TargetInfo& target, const std::string& file,
                                         const Parse& parse) const;

  const std::filesystem::path root_;
  const Layout layout_;
  std::vector<TargetInfo> targets_;
  std::vector<TargetInfo> batches_;

  mutable absl::Mutex mu_;
  // By path. shared_ptr: a reader goes on with the index that it found, unlocked.
  mutable std::map<std::string, std::shared_ptr<const SubjectIndex>> indexes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rwku::dataset
