// A copy of a store's folder, taken from outside while a server may be running on it.
#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace rwku::store {

// Copies the store in `from` to the new folder `to`, on any file system. Reads `from` only, takes
// no lock of it: it may be mounted read-only, and a server may write to it meanwhile. The copy
// holds every commit that was acknowledged before the call, and of later ones those before some
// moment. Whether it can be read is for the caller to see by opening it.
//
// How: tables never change once they are written, and the log is only appended to. So what is
// copied is consistent if, from before the first byte to after the last, no file came or went and
// no other file than the log changed. Otherwise what changed is copied again.
//
// NOT_FOUND: `from` holds no store. ALREADY_EXISTS: `to` exists. UNAVAILABLE: it changed every
// time. RESOURCE_EXHAUSTED: no room in `to`. INTERNAL: the system's reason. On error nothing is
// left at `to`.
absl::Status CopyStore(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace rwku::store
