#include "tools/synth/records.h"

#include <vector>

namespace rwku::synth {
namespace {

using nlohmann::json;

json ToRecord(const dataset::TruthfulChoices& choices) {
  return {{"choices", choices.choices},
          {"labels", std::vector<int>(choices.labels.begin(), choices.labels.end())}};
}

json QuestionRecord(const dataset::MmluQuestion& question) {
  return {
      {"question", question.question}, {"choices", question.choices}, {"answer", question.answer}};
}

}  // namespace

json ToRecord(const dataset::MmluItem& item, const std::string& subject) {
  json record = QuestionRecord(item.question);
  record["task"] = item.task;
  record["subject"] = subject;
  record["examples"] = json::array();
  for (const dataset::MmluQuestion& example : item.examples) {
    json solved = QuestionRecord(example);
    solved["subject"] = item.task;  // as the published data has it
    record["examples"].push_back(std::move(solved));
  }
  return record;
}

json ToRecord(const dataset::BbhItem& item, const std::string& subject) {
  return {{"question", item.question},
          // A list, so that the reference's metric compares whole words.
          {"answer", item.answers},
          {"task", item.task},
          {"cot", item.chain_of_thought},
          {"subject", subject}};
}

json ToRecord(const dataset::TruthfulItem& item, const std::string& subject) {
  return {{"question", item.question},
          {"mc1_targets", ToRecord(item.mc1)},
          {"mc2_targets", ToRecord(item.mc2)},
          {"subject", subject}};
}

json ToRecord(const dataset::TriviaItem& item, const std::string& subject) {
  return {{"question", item.question}, {"answers", item.answers}, {"subject", subject}};
}

json FluencyRecord(const std::string& instruction, const std::string& subject) {
  return {{"instruction", instruction}, {"subject", subject}};
}

}  // namespace rwku::synth
