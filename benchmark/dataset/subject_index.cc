#include "benchmark/dataset/subject_index.h"

#include "base/status_macros.h"
#include "benchmark/dataset/record.h"

namespace rwku::dataset {

absl::StatusOr<std::shared_ptr<const SubjectIndex>> SubjectIndex::Build(
    const std::filesystem::path& path, const std::string& name) {
  auto index = std::make_shared<SubjectIndex>();
  JsonArrayReader reader(path, name);
  std::string text;
  ElementSpan span;
  while (true) {
    RWKU_ASSIGN_OR_RETURN(const bool more, reader.Next(&text, &span));
    if (!more) {
      return index;
    }
    RWKU_ASSIGN_OR_RETURN(const std::string subject,
                          ScanField(text, "subject", RecordName(name, span.index)));
    index->spans_[subject].push_back(span);
  }
}

const std::vector<ElementSpan>& SubjectIndex::Spans(const std::string& subject) const {
  static const auto* const none = new std::vector<ElementSpan>();
  const auto found = spans_.find(subject);
  return found == spans_.end() ? *none : found->second;
}

}  // namespace rwku::dataset
