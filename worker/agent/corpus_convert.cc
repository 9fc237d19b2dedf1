#include "worker/agent/corpus_convert.h"

#include <string>

#include "base/status_macros.h"
#include "benchmark/corpus/kinds.h"

namespace rwku::agent {

absl::StatusOr<job::CorpusSettings> ToCorpusSettings(const v1::JobSpec& spec) {
  const v1::CorpusSpec& proto = spec.corpus();
  job::CorpusSettings settings;
  settings.target = spec.target();
  settings.target_number = spec.target_number();
  if (!spec.targets().empty()) {
    settings.custom_intro = spec.targets(0).intro();
  }
  for (const std::string& name : proto.kinds()) {
    RWKU_ASSIGN_OR_RETURN(const dataset::CorpusKind kind, corpus::ParseWrittenKind(name));
    settings.kinds.push_back(kind);
  }
  settings.max_openers = proto.max_openers();
  settings.questions = proto.questions();
  settings.temperature = proto.temperature();
  settings.top_p = proto.top_p();
  settings.max_new_tokens = proto.max_new_tokens();
  return settings;
}

v1::Prediction ToProto(const corpus::Text& text) {
  v1::Prediction proto;
  proto.set_target(text.subject);
  proto.set_probe_set(std::string(corpus::TextSetName(text.set)));
  proto.set_index(text.index);
  proto.set_query(text.opener);
  proto.set_answer(text.refusal);
  proto.set_output(text.output);
  return proto;
}

}  // namespace rwku::agent
