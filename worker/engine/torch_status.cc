#include "worker/engine/torch_status.h"

#include <exception>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <c10/util/Exception.h>

namespace rwku::engine {

namespace {

absl::string_view FirstLine(absl::string_view text) { return text.substr(0, text.find('\n')); }

}  // namespace

absl::Status StatusOfCurrentException() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("out of device memory: ", FirstLine(error.what_without_backtrace())));
  } catch (const c10::DistError& error) {
    return absl::UnavailableError(FirstLine(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    const absl::string_view what = error.what_without_backtrace();
    // The CPU allocator throws a plain c10::Error.
    if (absl::StrContains(what, "DefaultCPUAllocator") ||
        absl::StrContains(what, "out of memory")) {
      return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", FirstLine(what)));
    }
    return absl::InternalError(absl::StrCat("torch: ", FirstLine(what)));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("exception: ", FirstLine(error.what())));
  } catch (...) {
    return absl::InternalError("exception of an unknown type");
  }
}

}  // namespace rwku::engine
