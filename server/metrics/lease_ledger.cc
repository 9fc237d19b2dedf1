#include "server/metrics/lease_ledger.h"

#include <algorithm>
#include <variant>

#include "absl/strings/match.h"

namespace rwku::metrics {
namespace {

using scheduler::FailureClass;
using scheduler::JobRecord;
using scheduler::JobState;

// What the scheduler writes into the failure of a lease that ran out.
constexpr absl::string_view kExpired = "its lease expired";

AttemptOutcome OutcomeOf(FailureClass failure) {
  switch (failure) {
    case FailureClass::kInfrastructure:
      return AttemptOutcome::kInfrastructure;
    case FailureClass::kResource:
      return AttemptOutcome::kResource;
    case FailureClass::kNumeric:
      return AttemptOutcome::kNumeric;
    case FailureClass::kInput:
      return AttemptOutcome::kInput;
    case FailureClass::kInternal:
      break;
  }
  return AttemptOutcome::kInternal;
}

int RanksOf(const JobRecord& job) { return static_cast<int>(HoldersOf(job).size()); }

}  // namespace

absl::string_view OutcomeName(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kSucceeded:
      return "succeeded";
    case AttemptOutcome::kInfrastructure:
      return "infrastructure";
    case AttemptOutcome::kResource:
      return "resource";
    case AttemptOutcome::kNumeric:
      return "numeric";
    case AttemptOutcome::kInput:
      return "input";
    case AttemptOutcome::kInternal:
      return "internal";
    case AttemptOutcome::kReleased:
      return "released";
    case AttemptOutcome::kCancelled:
      break;
  }
  return "cancelled";
}

const std::vector<AttemptOutcome>& AllOutcomes() {
  static const auto* const all = new std::vector<AttemptOutcome>{
      AttemptOutcome::kSucceeded, AttemptOutcome::kInfrastructure, AttemptOutcome::kResource,
      AttemptOutcome::kNumeric,   AttemptOutcome::kInput,          AttemptOutcome::kInternal,
      AttemptOutcome::kReleased,  AttemptOutcome::kCancelled};
  return *all;
}

void LeaseLedger::Load(const scheduler::PersistentState& state) {
  live_.clear();
  for (const JobRecord& job : state.jobs) {
    if (job.state == JobState::kLeased) {
      live_[job.id] = {job.run, job.fencing_token, RanksOf(job)};
    }
  }
}

std::optional<AttemptEnd> LeaseLedger::EndOf(const Live& live, const JobRecord& job) const {
  if (job.state == JobState::kLeased && job.fencing_token == live.fencing_token) {
    return std::nullopt;
  }
  AttemptEnd end{.ranks = live.ranks};
  const bool failed =
      job.last_failure.has_value() && job.last_failure->fencing_token == live.fencing_token;
  if (job.state == JobState::kSucceeded) {
    end.outcome = AttemptOutcome::kSucceeded;
  } else if (job.state == JobState::kCancelled) {
    end.outcome = AttemptOutcome::kCancelled;
  } else if (failed) {
    end.outcome = OutcomeOf(job.last_failure->failure_class);
    end.expired = end.outcome == AttemptOutcome::kInfrastructure &&
                  absl::StrContains(job.last_failure->message, kExpired);
  } else {
    end.outcome = AttemptOutcome::kReleased;
  }
  return end;
}

std::vector<LedgerEntry> LeaseLedger::Apply(const scheduler::StateChange& change) {
  std::vector<LedgerEntry> entries;
  if (const auto* put = std::get_if<scheduler::PutJob>(&change)) {
    const JobRecord& job = put->job;
    LedgerEntry entry;
    const auto found = live_.find(job.id);
    if (found != live_.end()) {
      entry.end = EndOf(found->second, job);
      if (!entry.end.has_value()) {
        return entries;
      }
      live_.erase(found);
    }
    if (job.state == JobState::kLeased) {
      entry.granted = 1;
      entry.ranks = RanksOf(job);
      live_[job.id] = {job.run, job.fencing_token, entry.ranks};
    }
    if (entry.granted > 0 || entry.end.has_value()) {
      entries.push_back(entry);
    }
  } else if (const auto* erase = std::get_if<scheduler::EraseRun>(&change)) {
    absl::erase_if(live_, [&](const auto& item) {
      if (item.second.run != erase->run) {
        return false;
      }
      entries.push_back(
          {.end = AttemptEnd{.outcome = AttemptOutcome::kCancelled, .ranks = item.second.ranks}});
      return true;
    });
  }
  return entries;
}

}  // namespace rwku::metrics
