// Who may call what: one row a method. A method without a row is denied, and a test compares the
// rows with the descriptors of every service.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "net/security/token.h"

namespace rwku::auth {

// What a method asks for, from the least to the most, and the stream of workers apart.
enum class Access { kOpen, kViewer, kSubmitter, kAdmin, kWorker };

struct Rule {
  absl::string_view method;  // "/rwku.v1.UnlearningService/GetRun"
  Access access;
  bool changes = false;  // it changes what the server keeps or does: audited
};

absl::Span<const Rule> Rules();

// The method's row; null if there is none.
const Rule* FindRule(absl::string_view method);

// viewer < submitter < admin, each with the rights of those before it; the role worker opens the
// stream of workers alone, and no other role opens that.
bool Allows(Access access, net::Role role);

// The roles that have `access`: "viewer, submitter or admin".
absl::string_view RolesFor(Access access);

}  // namespace rwku::auth
