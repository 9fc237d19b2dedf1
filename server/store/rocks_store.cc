#include "server/store/rocks_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/write_batch.h"
#include "rwku/storage/v1/records.pb.h"

#include "base/log.h"
#include "base/status_macros.h"
#include "server/store/keys.h"

namespace rwku::store {
namespace {

namespace pb = ::rwku::storage::v1;

constexpr char kSchemaKey[] = "schema";
constexpr char kRevisionKey[] = "revision";

// --- Records to stored messages and back. The stored enums are ours plus one. ---

int64_t ToNanos(absl::Time time) { return absl::ToUnixNanos(time); }
absl::Time FromNanos(int64_t nanos) { return absl::FromUnixNanos(nanos); }

template <typename To, typename From>
To Shift(From value) {
  return static_cast<To>(static_cast<int>(value) + 1);
}
// nullopt for a value that this program does not know.
template <typename To>
std::optional<To> Unshift(int value, To last) {
  if (value < 1 || value - 1 > static_cast<int>(last)) {
    return std::nullopt;
  }
  return static_cast<To>(value - 1);
}

void Encode(const scheduler::RunRecord& run, pb::RunRecord& out) {
  out.set_id(run.id.value());
  out.set_payload(run.payload);
  out.set_request_id(run.request_id);
  out.set_request_digest(run.request_digest);
  out.set_priority(run.priority);
  out.set_max_failures(run.max_failures);
  out.set_ranks(run.ranks);
  out.set_state(Shift<pb::RunState>(run.state));
  out.set_create_time(ToNanos(run.create_time));
  if (run.end_time) {
    out.set_end_time(ToNanos(*run.end_time));
  }
  out.set_sequence(run.sequence);
  out.set_revision(run.revision);
}

bool Decode(const pb::RunRecord& in, scheduler::RunRecord& run) {
  const auto state = Unshift(in.state(), scheduler::RunState::kCancelled);
  if (!state) {
    return false;
  }
  run.id = RunId(in.id());
  run.payload = in.payload();
  run.request_id = in.request_id();
  run.request_digest = in.request_digest();
  run.priority = in.priority();
  run.max_failures = in.max_failures();
  run.ranks = std::max(1, in.ranks());  // 0: stored before there were gangs
  run.state = *state;
  run.create_time = FromNanos(in.create_time());
  if (in.has_end_time()) {
    run.end_time = FromNanos(in.end_time());
  }
  run.sequence = in.sequence();
  run.revision = in.revision();
  return true;
}

void Encode(const scheduler::JobRecord& job, pb::JobRecord& out) {
  out.set_id(job.id.value());
  out.set_run(job.run.value());
  out.set_index(job.index);
  out.set_payload(job.payload);
  out.set_model(job.model);
  out.set_state(Shift<pb::JobState>(job.state));
  out.set_fencing_token(job.fencing_token);
  out.set_attempts(job.attempts);
  out.set_failures(job.failures);
  out.set_resource_failures(job.resource_failures);
  out.set_lost_attempts(job.lost_attempts);
  out.set_worker(job.worker.value());
  for (const WorkerId& worker : job.gang) {
    out.add_gang(worker.value());
  }
  if (job.not_before) {
    out.set_not_before(ToNanos(*job.not_before));
  }
  for (const WorkerId& worker : job.avoid) {
    out.add_avoid(worker.value());
  }
  if (job.last_failure) {
    pb::Failure& failure = *out.mutable_last_failure();
    failure.set_failure_class(Shift<pb::FailureClass>(job.last_failure->failure_class));
    failure.set_message(job.last_failure->message);
    failure.set_worker(job.last_failure->worker.value());
    failure.set_fencing_token(job.last_failure->fencing_token);
  }
  out.set_result(job.result);
  out.set_create_time(ToNanos(job.create_time));
  if (job.start_time) {
    out.set_start_time(ToNanos(*job.start_time));
  }
  if (job.end_time) {
    out.set_end_time(ToNanos(*job.end_time));
  }
  out.set_revision(job.revision);
}

bool Decode(const pb::JobRecord& in, scheduler::JobRecord& job) {
  const auto state = Unshift(in.state(), scheduler::JobState::kCancelled);
  if (!state) {
    return false;
  }
  job.id = JobId(in.id());
  job.run = RunId(in.run());
  job.index = in.index();
  job.payload = in.payload();
  job.model = in.model();
  job.state = *state;
  job.fencing_token = in.fencing_token();
  job.attempts = in.attempts();
  job.failures = in.failures();
  job.resource_failures = in.resource_failures();
  job.lost_attempts = in.lost_attempts();
  job.worker = WorkerId(in.worker());
  for (const std::string& worker : in.gang()) {
    job.gang.emplace_back(worker);
  }
  if (in.has_not_before()) {
    job.not_before = FromNanos(in.not_before());
  }
  for (const std::string& worker : in.avoid()) {
    job.avoid.emplace_back(worker);
  }
  if (in.has_last_failure()) {
    const auto failure_class =
        Unshift(in.last_failure().failure_class(), scheduler::FailureClass::kInternal);
    if (!failure_class) {
      return false;
    }
    job.last_failure =
        scheduler::Failure{*failure_class, in.last_failure().message(),
                           WorkerId(in.last_failure().worker()), in.last_failure().fencing_token()};
  }
  job.result = in.result();
  job.create_time = FromNanos(in.create_time());
  if (in.has_start_time()) {
    job.start_time = FromNanos(in.start_time());
  }
  if (in.has_end_time()) {
    job.end_time = FromNanos(in.end_time());
  }
  job.revision = in.revision();
  return true;
}

// --- RocksDB's errors. ---

absl::Status Damaged(const std::filesystem::path& folder, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("the store in ", folder.string(), " is damaged: ", std::string(what),
                   "; stop the server and restore the folder from a backup"));
}

absl::Status ToStatus(const rocksdb::Status& status, const std::filesystem::path& folder) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  const std::string text = status.ToString();
  if (status.IsNoSpace() || absl::StrContains(text, "No space left")) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the disk of ", folder.string(), " is full: ", text));
  }
  // A file that the manifest names and that is not there is damage, too.
  if (status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound()) {
    return Damaged(folder, text);
  }
  return absl::InternalError(
      absl::StrCat("the store in ", folder.string(), " cannot be used: ", text));
}

absl::Status ToOpenStatus(const rocksdb::Status& status, const std::filesystem::path& folder) {
  const std::string text = status.ToString();
  if (status.IsIOError() &&
      (absl::StrContains(text, "Permission denied") || absl::StrContains(text, "Read-only"))) {
    return absl::PermissionDeniedError(
        absl::StrCat("the store in ", folder.string(), " cannot be written: ", text));
  }
  if (status.IsIOError() && (absl::StrContains(text, "lock hold by") ||
                             absl::StrContains(text, "/LOCK: Resource temporarily unavailable"))) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store in ", folder.string(), " is open in another server: ", text));
  }
  return ToStatus(status, folder);
}

// A folder with data files but without CURRENT would look empty to RocksDB, which would then begin
// a new store on top of the old one.
absl::Status CheckNotBeheaded(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder / "CURRENT", error)) {
    return absl::OkStatus();
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (absl::EndsWith(name, ".sst") || absl::StartsWith(name, "MANIFEST-")) {
      return Damaged(folder, absl::StrCat("there is ", name, " but no file CURRENT"));
    }
  }
  return absl::OkStatus();
}

// RocksDB's own log: errors go where ours go. The file that it would write beside the data fills up
// with the disk, and RocksDB aborts when it goes on with a file to which a write failed.
class ErrorLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level != rocksdb::InfoLogLevel::ERROR_LEVEL &&
        level != rocksdb::InfoLogLevel::FATAL_LEVEL) {
      return;
    }
    std::array<char, 1024> text{};
    std::vsnprintf(text.data(), text.size(), format, arguments);  // cut if longer
    RWKU_LOG(kError, "RocksDB").With("text", text.data());
  }
};

// Counts the times that RocksDB began to hold writers back.
class StallCounter final : public rocksdb::EventListener {
 public:
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    if (info.condition.prev == rocksdb::WriteStallCondition::kNormal) {
      count_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> count_ = 0;
};

rocksdb::Options DatabaseOptions() {
  rocksdb::Options options;
  options.info_log = std::make_shared<ErrorLog>();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  options.track_and_verify_wals_in_manifest = true;
  // A torn last record was never acknowledged; any other damage of the log must not pass.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.atomic_flush = true;
  options.max_bgerror_resume_count = 0;  // never go on after a failed sync
  options.max_total_wal_size = 64 << 20;
  options.write_buffer_size = 16 << 20;
  options.allow_fallocate = false;  // a full disk shows when it is full
  options.compression = rocksdb::kNoCompression;
  return options;
}

rocksdb::ReadOptions Verified() {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  return options;
}

std::string ShowKey(const rocksdb::Slice& key) {
  return absl::CHexEscape(absl::string_view(key.data(), key.size()));
}

}  // namespace

class RocksStore::Impl {
 public:
  enum Family { kMeta, kRuns, kJobs, kPredictions, kEvents, kFamilies };
  static constexpr const char* kNames[kFamilies] = {"default", "runs", "jobs", "predictions",
                                                    "events"};

  explicit Impl(const RocksStoreOptions& options)
      : folder_(options.folder), reserve_bytes_(options.reserve_bytes) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (db_ != nullptr) {
      for (rocksdb::ColumnFamilyHandle* handle : handles_) {
        db_->DestroyColumnFamilyHandle(handle);
      }
      db_->Close().PermitUncheckedError();
    }
  }

  absl::Status Open(bool verify_checksums) {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error) {
      return absl::PermissionDeniedError(
          absl::StrCat("cannot make the folder ", folder_.string(), ": ", error.message()));
    }
    RWKU_RETURN_IF_ERROR(CheckNotBeheaded(folder_));
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    rocksdb::Options options = DatabaseOptions();
    options.listeners.push_back(stalls_);
    for (const char* name : kNames) {
      rocksdb::ColumnFamilyOptions family(options);
      if (name == kNames[kPredictions]) {
        family.compression = rocksdb::kZSTD;
      }
      families.emplace_back(name, family);
    }
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened =
        rocksdb::DB::Open(options, folder_.string(), families, &handles_, &db);
    if (!opened.ok()) {
      return ToOpenStatus(opened, folder_);
    }
    db_.reset(db);
    if (verify_checksums) {
      RWKU_RETURN_IF_ERROR(ToStatus(db_->VerifyChecksum(Verified()), folder_));
    }
    return CheckSchema();
  }

  absl::StatusOr<std::optional<uint64_t>> GetNumber(const char* key) {
    std::string value;
    const rocksdb::Status status = db_->Get(Verified(), handles_[kMeta], key, &value);
    if (status.IsNotFound()) {
      return std::nullopt;
    }
    RWKU_RETURN_IF_ERROR(ToStatus(status, folder_));
    if (value.size() != 8) {
      return Damaged(folder_,
                     absl::StrCat("meta record \"", key, "\" has ", value.size(), " bytes, not 8"));
    }
    return DecodeUint64(value);
  }

  absl::Status CheckSchema() {
    RWKU_ASSIGN_OR_RETURN(const std::optional<uint64_t> version, GetNumber(kSchemaKey));
    if (version && *version > kSchemaVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat("the store in ", folder_.string(), " has schema version ", *version,
                       ", this program knows versions up to ", kSchemaVersion,
                       "; start the newer program, or restore a backup from before the upgrade"));
    }
    if (version && *version == 0) {
      return Damaged(folder_, "schema version 0");
    }
    if (!version) {
      for (int family = kRuns; family < kFamilies; ++family) {
        const std::unique_ptr<rocksdb::Iterator> it(
            db_->NewIterator(Verified(), handles_[static_cast<size_t>(family)]));
        it->SeekToFirst();
        RWKU_RETURN_IF_ERROR(ToStatus(it->status(), folder_));
        if (it->Valid()) {
          return Damaged(folder_, "there are records but no schema version");
        }
      }
    }
    return Migrate(version.value_or(0));
  }

  // Brings the layout forward from version `from`, a step at a time; 0 is an empty store. Every
  // step is one batch with the version that it makes, so that a crash leaves one or the other.
  absl::Status Migrate(uint64_t from) {
    for (uint64_t version = from; version < kSchemaVersion; ++version) {
      rocksdb::WriteBatch batch;
      RWKU_RETURN_IF_ERROR(
          ToStatus(batch.Put(handles_[kMeta], kSchemaKey, EncodeUint64(version + 1)), folder_));
      RWKU_RETURN_IF_ERROR(Write(batch));
    }
    return absl::OkStatus();
  }

  absl::Status Write(rocksdb::WriteBatch& batch) {
    rocksdb::WriteOptions options;
    options.sync = true;
    return ToStatus(db_->Write(options, &batch), folder_);
  }

  // Adds `batches` to `out`; keeps the newest revision.
  absl::Status Fill(const std::vector<Batch>& batches, rocksdb::WriteBatch& out) {
    uint64_t newest = 0;
    rocksdb::Status status;
    const auto put = [&](Family family, const std::string& key,
                         const google::protobuf::MessageLite& value) {
      if (status.ok()) {
        status = out.Put(handles_[family], key, value.SerializeAsString());
      }
    };
    const auto erase = [&](Family family, const std::string& prefix) {
      if (status.ok()) {
        status = out.DeleteRange(handles_[family], prefix, AfterPrefix(prefix));
      }
    };
    for (const Batch& batch : batches) {
      for (const scheduler::StateChange& change : batch.changes) {
        if (const auto* put_run = std::get_if<scheduler::PutRun>(&change)) {
          const scheduler::RunRecord& run = put_run->run;
          pb::Event event;
          Encode(run, *event.mutable_run());
          put(kRuns, RunKey(run.id), event.run());
          put(kEvents, EventKey(run.id, run.revision), event);
          newest = std::max(newest, run.revision);
        } else if (const auto* put_job = std::get_if<scheduler::PutJob>(&change)) {
          const scheduler::JobRecord& job = put_job->job;
          pb::Event event;
          Encode(job, *event.mutable_job());
          put(kJobs, JobKey(job.run, job.index), event.job());
          put(kEvents, EventKey(job.run, job.revision), event);
          newest = std::max(newest, job.revision);
        } else if (const auto* erase_run = std::get_if<scheduler::EraseRun>(&change)) {
          if (status.ok()) {
            status = out.Delete(handles_[kRuns], RunKey(erase_run->run));
          }
          erase(kJobs, JobPrefix(erase_run->run));
          erase(kEvents, EventPrefix(erase_run->run));
          erase(kPredictions, RunChunksPrefix(erase_run->run));
        } else if (const auto* attempt = std::get_if<scheduler::EraseAttempt>(&change)) {
          erase(kPredictions, AttemptPrefix(attempt->job, attempt->fencing_token));
        }
      }
      for (const PredictionChunk& chunk : batch.chunks) {
        pb::PredictionChunk value;
        for (const std::string& prediction : chunk.predictions) {
          value.add_predictions(prediction);
        }
        put(kPredictions, ChunkKey(chunk.job, chunk.fencing_token, chunk.sequence), value);
      }
    }
    if (newest > 0 && status.ok()) {
      RWKU_ASSIGN_OR_RETURN(const std::optional<uint64_t> stored, GetNumber(kRevisionKey));
      if (newest > stored.value_or(0)) {
        status = out.Put(handles_[kMeta], kRevisionKey, EncodeUint64(newest));
      }
    }
    return ToStatus(status, folder_);
  }

  absl::Status Commit(const std::vector<Batch>& batches) {
    RWKU_RETURN_IF_ERROR(CheckKeys(batches));
    if (std::all_of(batches.begin(), batches.end(), [](const Batch& b) { return b.empty(); })) {
      return absl::OkStatus();
    }
    absl::MutexLock lock(&commit_mu_);
    // After a failed write nobody knows what the disk holds: this process never writes again.
    RWKU_RETURN_IF_ERROR(broken_);
    rocksdb::WriteBatch batch;
    RWKU_RETURN_IF_ERROR(Fill(batches, batch));
    RWKU_RETURN_IF_ERROR(CheckRoom(batch.GetDataSize()));
    return Note(Write(batch));
  }

  // Looks before the write: RocksDB cannot go on with a log to which an append has failed.
  absl::Status CheckRoom(uint64_t bytes) const {
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(folder_, error);
    if (error || space.available >= bytes + reserve_bytes_) {
      return absl::OkStatus();  // if nobody can say, the write will
    }
    return absl::ResourceExhaustedError(absl::StrCat(
        "the disk of ", folder_.string(), " is full: ", space.available, " bytes are free, ",
        bytes + reserve_bytes_, " are needed (", reserve_bytes_, " of them in reserve)"));
  }

  // A write that failed is the last one, also for lack of room (the disk filled up faster than the
  // reserve): nobody knows how much of it is in the log, which cannot be appended to any more.
  absl::Status Note(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(commit_mu_) {
    if (!status.ok()) {
      broken_ = absl::DataLossError(absl::StrCat("a write failed half-way: ", status.message(),
                                                 "; see to the disk and start the server again"));
    }
    return broken_;
  }

  absl::Status Probe(uint64_t bytes) {
    absl::MutexLock lock(&commit_mu_);
    RWKU_RETURN_IF_ERROR(broken_);
    return CheckRoom(bytes);
  }

  // Calls `visit(key, value)` for the records from `from` to before `to` (both may be empty: no
  // bound) until it returns false or an error.
  absl::Status Scan(Family family, const std::string& from, const std::string& to,
                    const std::function<absl::StatusOr<bool>(const rocksdb::Slice& key,
                                                             const rocksdb::Slice& value)>& visit) {
    rocksdb::ReadOptions options = Verified();
    const rocksdb::Slice upper(to);
    if (!to.empty()) {
      options.iterate_upper_bound = &upper;
    }
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, handles_[family]));
    for (it->Seek(from); it->Valid(); it->Next()) {
      RWKU_ASSIGN_OR_RETURN(const bool more, visit(it->key(), it->value()));
      if (!more) {
        return absl::OkStatus();
      }
    }
    return ToStatus(it->status(), folder_);
  }

  absl::Status Unreadable(Family family, const rocksdb::Slice& key) const {
    return Damaged(folder_, absl::StrCat("record \"", ShowKey(key), "\" in column family \"",
                                         kNames[family], "\" cannot be read"));
  }

  const std::filesystem::path folder_;
  const uint64_t reserve_bytes_;
  // RocksDB shares it: its threads tell it.
  const std::shared_ptr<StallCounter> stalls_ = std::make_shared<StallCounter>();
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;

 private:
  // Held over the write: commits are made one after the other by design, and this orders them.
  absl::Mutex commit_mu_;
  absl::Status broken_ ABSL_GUARDED_BY(commit_mu_);
};

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksStore::~RocksStore() = default;

absl::StatusOr<std::unique_ptr<RocksStore>> RocksStore::Open(const RocksStoreOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  RWKU_RETURN_IF_ERROR(impl->Open(options.verify_checksums));
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(impl)));
}

absl::StatusOr<scheduler::PersistentState> RocksStore::Load() {
  scheduler::PersistentState state;
  std::set<RunId> runs;
  RWKU_RETURN_IF_ERROR(impl_->Scan(
      Impl::kRuns, "", "",
      [&](const rocksdb::Slice& key, const rocksdb::Slice& value) -> absl::StatusOr<bool> {
        pb::RunRecord record;
        scheduler::RunRecord run;
        if (!record.ParseFromArray(value.data(), static_cast<int>(value.size())) ||
            !Decode(record, run) || key != RunKey(run.id)) {
          return impl_->Unreadable(Impl::kRuns, key);
        }
        runs.insert(run.id);
        state.runs.push_back(std::move(run));
        return true;
      }));
  RWKU_RETURN_IF_ERROR(impl_->Scan(
      Impl::kJobs, "", "",
      [&](const rocksdb::Slice& key, const rocksdb::Slice& value) -> absl::StatusOr<bool> {
        pb::JobRecord record;
        scheduler::JobRecord job;
        if (!record.ParseFromArray(value.data(), static_cast<int>(value.size())) ||
            !Decode(record, job) || key != JobKey(job.run, job.index) || !runs.contains(job.run)) {
          return impl_->Unreadable(Impl::kJobs, key);
        }
        state.jobs.push_back(std::move(job));
        return true;
      }));
  RWKU_ASSIGN_OR_RETURN(const std::optional<uint64_t> revision, impl_->GetNumber(kRevisionKey));
  state.revision = revision.value_or(0);
  return state;
}

absl::Status RocksStore::Commit(const std::vector<Batch>& batches) {
  return impl_->Commit(batches);
}

absl::Status RocksStore::Probe(size_t bytes) { return impl_->Probe(bytes); }

absl::StatusOr<std::vector<EventRecord>> RocksStore::ReadEvents(const RunId& run, uint64_t after,
                                                                size_t limit) {
  std::vector<EventRecord> events;
  if (limit == 0 || after == UINT64_MAX) {
    return events;
  }
  RWKU_RETURN_IF_ERROR(impl_->Scan(
      Impl::kEvents, EventKey(run, after + 1), AfterPrefix(EventPrefix(run)),
      [&](const rocksdb::Slice& key, const rocksdb::Slice& value) -> absl::StatusOr<bool> {
        pb::Event record;
        EventRecord event;
        event.run = run;
        bool read = record.ParseFromArray(value.data(), static_cast<int>(value.size()));
        if (read && record.has_run()) {
          read = Decode(record.run(), event.run_record.emplace());
          event.revision = record.run().revision();
        } else if (read && record.has_job()) {
          read = Decode(record.job(), event.job_record.emplace());
          event.revision = record.job().revision();
        } else {
          read = false;
        }
        if (!read || key != EventKey(run, event.revision)) {
          return impl_->Unreadable(Impl::kEvents, key);
        }
        events.push_back(std::move(event));
        return events.size() < limit;
      }));
  return events;
}

absl::Status RocksStore::ReadPredictions(
    const JobId& job, uint64_t fencing_token, size_t first,
    const std::function<bool(size_t position, absl::string_view prediction)>& visit) {
  size_t position = 0;
  int sequence = 0;
  const std::string prefix = AttemptPrefix(job, fencing_token);
  return impl_->Scan(
      Impl::kPredictions, prefix, AfterPrefix(prefix),
      [&](const rocksdb::Slice& key, const rocksdb::Slice& value) -> absl::StatusOr<bool> {
        if (key != ChunkKey(job, fencing_token, sequence)) {
          return false;  // a gap: what follows has no position yet
        }
        ++sequence;
        pb::PredictionChunk chunk;
        if (!chunk.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
          return impl_->Unreadable(Impl::kPredictions, key);
        }
        for (const std::string& prediction : chunk.predictions()) {
          if (position >= first && !visit(position, prediction)) {
            return false;
          }
          ++position;
        }
        return true;
      });
}

absl::StatusOr<int> RocksStore::CountChunks(const JobId& job, uint64_t fencing_token) {
  int count = 0;
  const std::string prefix = AttemptPrefix(job, fencing_token);
  RWKU_RETURN_IF_ERROR(impl_->Scan(
      Impl::kPredictions, prefix, AfterPrefix(prefix),
      [&](const rocksdb::Slice& key, const rocksdb::Slice& /*value*/) -> absl::StatusOr<bool> {
        if (key != ChunkKey(job, fencing_token, count)) {
          return false;
        }
        ++count;
        return true;
      }));
  return count;
}

RocksHealth RocksStore::Health() const {
  RocksHealth health;
  const auto sum = [this](const std::string& property) {
    uint64_t value = 0;
    impl_->db_->GetAggregatedIntProperty(property, &value);
    return value;
  };
  const auto one = [this](const std::string& property) {
    uint64_t value = 0;
    impl_->db_->GetIntProperty(property, &value);
    return value;
  };
  health.live_bytes = sum(rocksdb::DB::Properties::kLiveSstFilesSize);
  health.files_bytes = sum(rocksdb::DB::Properties::kTotalSstFilesSize);
  health.memtable_bytes = sum(rocksdb::DB::Properties::kCurSizeAllMemTables);
  health.pending_compaction_bytes = sum(rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
  health.background_errors = one(rocksdb::DB::Properties::kBackgroundErrors);
  health.writes_stopped = one(rocksdb::DB::Properties::kIsWriteStopped) != 0;
  health.write_stalls = impl_->stalls_->count();
  std::vector<rocksdb::LiveFileMetaData> files;
  impl_->db_->GetLiveFilesMetaData(&files);
  health.live_files = files.size();
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(impl_->folder_, error);
  if (!error) {
    health.volume_bytes = space.capacity;
    health.volume_free_bytes = space.available;
  }
  return health;
}

absl::Status RocksStore::Backup(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder, error)) {
    return absl::AlreadyExistsError(
        absl::StrCat("backup folder ", folder.string(), " exists; name a new one"));
  }
  rocksdb::Checkpoint* made = nullptr;
  RWKU_RETURN_IF_ERROR(
      ToStatus(rocksdb::Checkpoint::Create(impl_->db_.get(), &made), impl_->folder_));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  const rocksdb::Status status = checkpoint->CreateCheckpoint(folder.string());
  if (!status.ok()) {
    if (status.IsNoSpace()) {
      return ToStatus(status, folder);
    }
    return absl::InternalError(absl::StrCat("cannot copy the store ", impl_->folder_.string(),
                                            " to ", folder.string(), ": ", status.ToString()));
  }
  return absl::OkStatus();
}

}  // namespace rwku::store
