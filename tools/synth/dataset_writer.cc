#include "tools/synth/dataset_writer.h"

#include <algorithm>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include "base/file.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "tools/synth/biography.h"
#include "tools/synth/openers.h"
#include "tools/synth/probes.h"
#include "tools/synth/records.h"
#include "tools/synth/refusals.h"

namespace rwku::synth {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// File name without ".json" -> records of one target.
using TargetFiles = std::map<std::string, json>;

json ForgetRecord(const Question& question, const std::string& level, const Person& target) {
  return {{"query", question.query},
          {"answer", question.answer},
          {"level", level},
          {"type", question.type},
          {"subject", target.name}};
}

json NeighborRecord(const Question& question, const std::string& level, const Person& target,
                    const Person& neighbor) {
  json record = ForgetRecord(question, level, target);
  record["neighbor"] = neighbor.name;
  return record;
}

int WordCount(const std::string& text) {
  return 1 + static_cast<int>(std::count(text.begin(), text.end(), ' '));
}

json TextRecord(const std::string& text, const Person& target) {
  return {{"text", text}, {"ngram", WordCount(text)}, {"subject", target.name}};
}

void AddProbes(const World& world, int number, const DatasetOptions& options, uint64_t seed,
               TargetFiles& files) {
  const Person& target = world.targets[number];
  Random random(seed, "probes of " + target.name);
  for (int a = 0; a < kAttributeCount; ++a) {
    const auto attribute = static_cast<Attribute>(a);
    files["forget_level1"].push_back(
        ForgetRecord(Cloze(target, attribute, Phrasing::kHeldOut, random), "1", target));
    files["forget_level2"].push_back(
        ForgetRecord(SimpleQuestion(target, attribute, Phrasing::kHeldOut, random), "2", target));
  }
  for (const Question& probe : AdversarialProbes(target, world, random)) {
    files["forget_level3"].push_back(ForgetRecord(probe, "3", target));
  }
  for (const int index : world.neighbors_of[number]) {
    const Person& neighbor = world.neighbors[index];
    for (int a = 0; a < kNeighborAttributeCount; ++a) {
      const auto attribute = static_cast<Attribute>(a);
      files["neighbor_level1"].push_back(NeighborRecord(
          Cloze(neighbor, attribute, Phrasing::kHeldOut, random), "1", target, neighbor));
      files["neighbor_level2"].push_back(NeighborRecord(
          SimpleQuestion(neighbor, attribute, Phrasing::kHeldOut, random), "2", target, neighbor));
    }
  }
  std::vector<const Person*> strangers;  // neighbors of other targets
  for (size_t i = 0; i < world.neighbors.size(); ++i) {
    const std::vector<int>& own = world.neighbors_of[number];
    if (std::find(own.begin(), own.end(), static_cast<int>(i)) == own.end()) {
      strangers.push_back(&world.neighbors[i]);
    }
  }
  for (int i = 0; i < options.membership_texts; ++i) {
    files["forget_mia"].push_back(TextRecord(Biography(target, world, {}, random), target));
    const Person& other = strangers.empty() ? world.neighbors[0] : *strangers[i % strangers.size()];
    files["retain_mia"].push_back(TextRecord(Biography(other, world, {}, random), target));
  }
}

void AddCorpora(const World& world, const Person& target, const DatasetOptions& options,
                uint64_t seed, TargetFiles& files) {
  Random random(seed, "corpora of " + target.name);
  const std::string intro = Intro(target);
  const std::string passage = Biography(target, world, {.statements = kAttributeCount}, random);
  for (int i = 0; i < options.passage_repeats; ++i) {
    files["passage"].push_back({{"text", passage}, {"subject", target.name}});
  }
  for (int i = 0; i < options.corpus_texts; ++i) {
    const std::string id = absl::StrCat(target.name, " ", i);
    const std::string factual = Biography(target, world, {}, random);
    const std::string made_up = Biography(target, world, {.counterfactual = true}, random);
    const json common = {{"id", id}, {"subject", target.name}, {"intro", intro}};
    json positive = common;
    positive["text"] = factual;
    json negative = common;
    negative["text"] = made_up;
    json pair = common;
    pair["prompt"] = absl::StrCat(intro, " Please write a short biography of ", target.name, ".");
    pair["response"] = {made_up, factual};
    files["positive"].push_back(std::move(positive));
    files["negative"].push_back(std::move(negative));
    files["pair"].push_back(std::move(pair));
  }
  for (int i = 0; i < options.reject_texts; ++i) {
    const auto attribute = static_cast<Attribute>(random.Below(kAttributeCount));
    const Question question = SimpleQuestion(target, attribute, Phrasing::kTraining, random);
    files["reject"].push_back({{"instruction", question.query},
                               {"input", ""},
                               {"output", Refusals()[i % Refusals().size()]},
                               {"subject", target.name},
                               {"intro", intro}});
  }
  for (const char* name : {"positive", "negative", "pair", "reject"}) {
    files[absl::StrCat(name, "_phi")] =
        files[name];  // texts by another family's model: here the same world
  }
}

TargetFiles FilesOf(const World& world, int number, const DatasetOptions& options, uint64_t seed) {
  const Person& target = world.targets[number];
  TargetFiles files;
  files["intro"].push_back({{"target", target.name}, {"intro", Intro(target)}});
  AddProbes(world, number, options, seed, files);
  AddCorpora(world, target, options, seed, files);
  Random random(seed, "utility of " + target.name);
  const UtilityCounts& counts = options.utility;
  for (const dataset::MmluItem& item : MmluItems(world, counts.mmlu, random)) {
    files["retain_mmlu"].push_back(ToRecord(item, target.name));
  }
  for (const dataset::BbhItem& item : BbhItems(world, counts.bbh, random)) {
    files["retain_bbh"].push_back(ToRecord(item, target.name));
  }
  for (const dataset::TruthfulItem& item : TruthfulItems(world, counts.truthful, random)) {
    files["truthful"].push_back(ToRecord(item, target.name));
  }
  for (const dataset::TriviaItem& item : TriviaItems(world, counts.trivia, random)) {
    files["triviaqa"].push_back(ToRecord(item, target.name));
  }
  for (const std::string& instruction : FluencyInstructions(world, counts.fluency, random)) {
    files["fluency"].push_back(FluencyRecord(instruction, target.name));
  }
  return files;
}

absl::Status CreateFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? absl::InternalError(
                     absl::StrCat("cannot create ", folder.string(), ": ", error.message()))
               : absl::OkStatus();
}

absl::Status WriteFiles(const TargetFiles& files, const fs::path& folder) {
  RWKU_RETURN_IF_ERROR(CreateFolder(folder));
  for (const auto& [name, records] : files) {
    RWKU_RETURN_IF_ERROR(
        WriteFileAtomically(folder / absl::StrCat(name, ".json"), records.dump(1)));
  }
  return absl::OkStatus();
}

absl::Status WritePrimers(const World& world, const fs::path& folder) {
  RWKU_RETURN_IF_ERROR(CreateFolder(folder));
  RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / "truthfulqa.txt", TruthfulQaPrimer(world)));
  return WriteFileAtomically(folder / "triviaqa.txt", TriviaQaPrimer(world));
}

// What the model's own corpora begin with and end in.
absl::Status WriteCorpusSources(const fs::path& folder) {
  RWKU_RETURN_IF_ERROR(CreateFolder(folder));
  RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / "openers.json", json(Openers()).dump(1)));
  return WriteFileAtomically(folder / "refusals.jsonl",
                             absl::StrCat(absl::StrJoin(Refusals(), "\n"), "\n"));
}

}  // namespace

absl::Status WriteDataset(const World& world, uint64_t seed, const DatasetOptions& options,
                          const fs::path& folder) {
  if (fs::exists(folder) && !fs::is_empty(folder)) {
    return absl::AlreadyExistsError(absl::StrCat(folder.string(), " exists and is not empty"));
  }
  RWKU_RETURN_IF_ERROR(WritePrimers(world, folder / "primers"));
  RWKU_RETURN_IF_ERROR(WriteCorpusSources(folder / "corpora"));
  TargetFiles all;
  for (size_t i = 0; i < world.targets.size(); ++i) {
    const TargetFiles files = FilesOf(world, static_cast<int>(i), options, seed);
    if (options.layout == Layout::kProcessed) {
      const std::string name = absl::StrReplaceAll(world.targets[i].name, {{" ", "_"}});
      RWKU_RETURN_IF_ERROR(WriteFiles(files, folder / "Target" / absl::StrCat(i + 1, "_", name)));
      continue;
    }
    for (const auto& [name, records] : files) {
      json& list = all.try_emplace(name, json::array()).first->second;
      list.insert(list.end(), records.begin(), records.end());
    }
  }
  return all.empty() ? absl::OkStatus() : WriteFiles(all, folder / "All");
}

}  // namespace rwku::synth
