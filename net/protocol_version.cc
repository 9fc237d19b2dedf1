#include "net/protocol_version.h"

namespace rwku::net {

absl::string_view BinaryVersion() { return RWKU_VERSION; }

}  // namespace rwku::net
