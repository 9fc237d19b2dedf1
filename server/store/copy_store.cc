#include "server/store/copy_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "base/status_macros.h"

namespace rwku::store {
namespace {

namespace fs = std::filesystem;

// Each one copies only what changed since the last, so that a busy store is caught soon.
constexpr int kRounds = 100;

struct FileState {
  uintmax_t size = 0;
  fs::file_time_type written;

  friend bool operator==(const FileState&, const FileState&) = default;
};
using Listing = std::map<std::string, FileState>;

bool IsLog(const std::string& name) { return absl::EndsWith(name, ".log"); }

// LOCK and temporary files belong to the process that runs.
bool BelongsToStore(const std::string& name) {
  return name == "CURRENT" || name == "IDENTITY" || absl::StartsWith(name, "MANIFEST-") ||
         (absl::StartsWith(name, "OPTIONS-") && !absl::EndsWith(name, ".dbtmp")) ||
         absl::EndsWith(name, ".sst") || IsLog(name);
}

absl::Status SystemError(const std::string& what, const std::error_code& error) {
  const std::string message = absl::StrCat(what, ": ", error.message());
  if (error == std::errc::no_space_on_device) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::InternalError(message);
}

// The log's size is left out: it grows all the time.
absl::StatusOr<Listing> List(const fs::path& folder) {
  Listing listing;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!BelongsToStore(name)) {
      continue;
    }
    FileState state;
    std::error_code gone;
    if (!IsLog(name)) {
      state.size = fs::file_size(it->path(), gone);
      state.written = gone ? state.written : fs::last_write_time(it->path(), gone);
    }
    if (!gone) {
      listing.emplace(name, state);
    }
  }
  if (error) {
    return SystemError(absl::StrCat("cannot read the folder ", folder.string()), error);
  }
  return listing;
}

// Makes what was written to a file or a folder outlast a loss of power.
absl::Status Sync(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int problem = errno;
  if (fd >= 0) {
    close(fd);
  }
  return synced ? absl::OkStatus()
                : SystemError(absl::StrCat("cannot write ", path.string()),
                              std::error_code(problem, std::system_category()));
}

// False if the file is gone.
absl::StatusOr<bool> CopyFile(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error == std::errc::no_such_file_or_directory) {
    return false;
  }
  if (error) {
    return SystemError(absl::StrCat("cannot copy ", from.string(), " to ", to.string()), error);
  }
  return true;
}

// Brings `to`, which holds `copied`, to the state `listing` of `from`: what changed, and the logs.
absl::Status CopyChanges(const fs::path& from, const fs::path& to, const Listing& listing,
                         Listing& copied) {
  for (const bool log : {false, true}) {  // the logs last: they are what the tables do not hold yet
    for (const auto& [name, state] : listing) {
      const auto have = copied.find(name);
      if (IsLog(name) != log || (!log && have != copied.end() && have->second == state)) {
        continue;
      }
      RWKU_ASSIGN_OR_RETURN(const bool there, CopyFile(from / name, to / name));
      if (there) {
        copied[name] = state;
      }
    }
  }
  for (auto it = copied.begin(); it != copied.end();) {
    if (listing.contains(it->first)) {
      ++it;
      continue;
    }
    std::error_code error;
    if (fs::remove(to / it->first, error); error) {
      return SystemError(absl::StrCat("cannot remove ", (to / it->first).string()), error);
    }
    it = copied.erase(it);
  }
  return absl::OkStatus();
}

absl::Status CopyUntilStill(const fs::path& from, const fs::path& to) {
  Listing copied;
  RWKU_ASSIGN_OR_RETURN(Listing before, List(from));
  for (int round = 0; round < kRounds; ++round) {
    RWKU_RETURN_IF_ERROR(CopyChanges(from, to, before, copied));
    RWKU_ASSIGN_OR_RETURN(Listing after, List(from));
    if (after == before && copied == before) {
      for (const auto& [name, state] : copied) {
        RWKU_RETURN_IF_ERROR(Sync(to / name));
      }
      return Sync(to);
    }
    before = std::move(after);
  }
  return absl::UnavailableError(absl::StrCat("the store in ", from.string(), " changed in each of ",
                                             kRounds,
                                             " attempts to copy it; try when it is less busy"));
}

}  // namespace

absl::Status CopyStore(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (!fs::exists(from / "CURRENT", error)) {
    return absl::NotFoundError(
        absl::StrCat("there is no store in ", from.string(), " (no file CURRENT)"));
  }
  if (!fs::create_directory(to, error)) {
    return error ? SystemError(absl::StrCat("cannot make the folder ", to.string()), error)
                 : absl::AlreadyExistsError(
                       absl::StrCat("backup folder ", to.string(), " exists; name a new one"));
  }
  absl::Status copied = CopyUntilStill(from, to);
  if (!copied.ok()) {
    fs::remove_all(to, error);
  }
  return copied;
}

}  // namespace rwku::store
