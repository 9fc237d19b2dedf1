// rwku corpus generate: the model under test writes its own corpora, into a dataset folder.
#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "base/file.h"
#include "base/status_macros.h"
#include "benchmark/corpus/kinds.h"
#include "benchmark/corpus/records.h"
#include "benchmark/corpus/target_file.h"
#include "client/cli/command_tree.h"
#include "client/cli/corpus_folder.h"
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/target_list.h"
#include "client/cli/watch.h"
#include "net/protocol_version.h"

namespace rwku::cli {
namespace {

struct CorpusFlags {
  std::string action;
  std::string model;
  std::string dataset;
  std::vector<std::string> target_lists;
  std::vector<std::string> targets;
  std::vector<std::string> target_files;
  std::vector<std::string> kinds;
  std::string out;
  std::optional<int> max_openers;
  std::optional<int> questions;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int> max_new_tokens;
  std::optional<uint64_t> seed;
  int priority = 0;
  std::string request_id;
  bool single_bos = false;
};

absl::StatusOr<std::vector<corpus::TargetFile>> ReadTargetFiles(const CorpusFlags& flags) {
  std::vector<corpus::TargetFile> targets;
  for (const std::string& path : flags.target_files) {
    RWKU_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    RWKU_ASSIGN_OR_RETURN(corpus::TargetFile target, corpus::ParseTargetFile(text, path));
    for (const corpus::TargetFile& other : targets) {
      if (other.subject.name == target.subject.name) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": field \"name\": \"", target.subject.name, "\" is another target file's, too"));
      }
    }
    targets.push_back(std::move(target));
  }
  return targets;
}

absl::StatusOr<v1::CreateRunRequest> MakeRequest(const CorpusFlags& flags,
                                                 const std::vector<corpus::TargetFile>& custom) {
  v1::CreateRunRequest request;
  request.set_request_id(flags.request_id);
  v1::RunSpec& spec = *request.mutable_spec();
  spec.set_model(flags.model);
  spec.set_dataset(flags.dataset);
  for (const std::string& list : flags.target_lists) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> targets, ParseList("--targets", list));
    spec.mutable_targets()->Add(targets.begin(), targets.end());
  }
  spec.mutable_targets()->Add(flags.targets.begin(), flags.targets.end());
  v1::CorpusSpec& corpus = *spec.mutable_corpus();
  for (const std::string& list : flags.kinds) {
    RWKU_ASSIGN_OR_RETURN(const std::vector<std::string> kinds, ParseList("--kinds", list));
    corpus.mutable_kinds()->Add(kinds.begin(), kinds.end());
  }
  if (flags.max_openers.has_value()) {
    corpus.set_max_openers(*flags.max_openers);
  }
  if (flags.questions.has_value()) {
    corpus.set_questions(*flags.questions);
  }
  if (flags.temperature.has_value()) {
    corpus.set_temperature(*flags.temperature);
  }
  if (flags.top_p.has_value()) {
    corpus.set_top_p(*flags.top_p);
  }
  if (flags.max_new_tokens.has_value()) {
    corpus.set_max_new_tokens(*flags.max_new_tokens);
  }
  if (flags.seed.has_value()) {
    spec.add_seeds(*flags.seed);
  }
  for (const corpus::TargetFile& target : custom) {
    v1::CustomTarget& added = *spec.add_custom_targets();
    added.set_name(target.subject.name);
    added.set_intro(target.subject.intro);
  }
  spec.set_priority(flags.priority);
  spec.mutable_protocol()->set_single_bos(flags.single_bos);
  return request;
}

// Follows the run to its end; nothing is shown on the way where the output is JSON.
int FollowToEnd(Session& session, client::Client& client, const std::string& run) {
  if (!session.json()) {
    return WatchToEnd(session, run);
  }
  client::WatchOptions options;
  options.omit_progress = true;
  const absl::StatusOr<v1::Run> end = client.WatchRun(run, options, [](const v1::RunEvent&) {});
  return end.ok() ? ExitCodeOf(end->state()) : session.Fail(end.status());
}

// The targets of the run's jobs, by name, with the numbers that they have in the new folder.
absl::StatusOr<std::map<std::string, CorpusTarget>> TargetsOf(
    const std::vector<v1::Target>& of_dataset, const std::vector<corpus::TargetFile>& custom) {
  std::map<std::string, CorpusTarget> targets;
  int last = 0;
  for (const v1::Target& target : of_dataset) {
    targets[target.name()] = {target.number(), {target.name(), target.intro()}, false};
    last = std::max(last, target.number());
  }
  for (const corpus::TargetFile& target : custom) {
    targets[target.subject.name] = {++last, target.subject, true};
  }
  return targets;
}

absl::StatusOr<std::vector<corpus::Text>> TextsOf(client::Client& client, const std::string& job) {
  std::vector<corpus::Text> texts;
  RWKU_RETURN_IF_ERROR(
      client.ListPredictions(job, {}, [&texts](const v1::PredictionRow& row) -> absl::Status {
        const v1::Prediction& prediction = row.prediction();
        RWKU_ASSIGN_OR_RETURN(const corpus::TextSet set,
                              corpus::ParseTextSet(prediction.probe_set()));
        texts.push_back({.subject = prediction.target(),
                         .set = set,
                         .index = prediction.index(),
                         .opener = prediction.query(),
                         .output = prediction.output(),
                         .refusal = prediction.answer()});
        return absl::OkStatus();
      }));
  return texts;
}

// Fetches the texts of one job after another and writes them.
absl::StatusOr<std::string> WriteFolder(client::Client& client, const CorpusFlags& flags,
                                        const v1::Run& run,
                                        const std::vector<corpus::TargetFile>& custom) {
  RWKU_ASSIGN_OR_RETURN(const std::vector<v1::Model> models, client.ListModels());
  RWKU_ASSIGN_OR_RETURN(const std::vector<v1::Target> of_dataset,
                        client.ListTargets(run.spec().dataset()));
  RWKU_ASSIGN_OR_RETURN(const auto targets, TargetsOf(of_dataset, custom));
  RWKU_ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, client.ListJobs(run.name()));
  CorpusProvenance provenance{.model = run.spec().model(),
                              .family = {},
                              .weights_checksum = {},
                              .dataset = run.spec().dataset(),
                              .spec = run.spec(),
                              .worker_version = {},
                              .client_version = std::string(net::BinaryVersion())};
  for (const v1::Model& model : models) {
    if (model.name() == run.spec().model()) {
      provenance.family = model.family();
    }
  }
  std::vector<corpus::CorpusKind> kinds;
  for (const std::string& name : run.spec().corpus().kinds()) {
    RWKU_ASSIGN_OR_RETURN(const corpus::CorpusKind kind, corpus::ParseWrittenKind(name));
    kinds.push_back(kind);
  }
  std::set<std::string> checksums;
  std::set<std::string> versions;
  CorpusFolder folder(flags.out, client::NewRequestId().substr(0, 12));
  for (const v1::Job& job : jobs) {
    const auto target = targets.find(job.target());
    if (target == targets.end()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "target \"", job.target(), "\" of ", ShortName(job.name()),
          " is in neither the dataset nor a target file; name the target files of the first call"));
    }
    checksums.insert(job.result().original_weights_checksum());
    versions.insert(job.result().worker_version());
    RWKU_ASSIGN_OR_RETURN(const std::vector<corpus::Text> texts, TextsOf(client, job.name()));
    RWKU_ASSIGN_OR_RETURN(
        std::vector<corpus::RecordFile> files,
        corpus::MakeRecordFiles(target->second.subject, kinds, provenance.family, texts));
    for (const corpus::TargetFile& file : custom) {
      if (file.subject.name == job.target()) {
        files.insert(files.end(), file.probes.begin(), file.probes.end());
      }
    }
    RWKU_RETURN_IF_ERROR(folder.AddTarget(target->second, files));
  }
  if (checksums.size() != 1 || versions.size() != 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the workers of ", ShortName(run.name()),
        " differ in the model's weights or in their version; one corpus must come from one"));
  }
  provenance.weights_checksum = *checksums.begin();
  provenance.worker_version = *versions.begin();
  std::string manifest;
  RWKU_RETURN_IF_ERROR(folder.Finish(provenance, &manifest));
  return manifest;
}

int Generate(Session& session, const CorpusFlags& flags) {
  // What is wrong here should not wait for the model's texts.
  if (const absl::Status place = CorpusFolder::CheckPlace(flags.out); !place.ok()) {
    return session.Fail(place);
  }
  const absl::StatusOr<std::vector<corpus::TargetFile>> custom = ReadTargetFiles(flags);
  if (!custom.ok()) {
    return session.Fail(custom.status());
  }
  const absl::StatusOr<v1::CreateRunRequest> request = MakeRequest(flags, *custom);
  if (!request.ok()) {
    return session.Fail(request.status());
  }
  const absl::StatusOr<client::Client*> client = session.client();
  if (!client.ok()) {
    return session.Fail(client.status());
  }
  const absl::StatusOr<v1::Run> run = (*client)->CreateRun(*request);
  if (!run.ok()) {
    return session.Fail(run.status());
  }
  if (const int code = FollowToEnd(session, **client, run->name()); code != kExitDone) {
    return code;
  }
  const absl::StatusOr<std::string> manifest = WriteFolder(**client, flags, *run, *custom);
  if (!manifest.ok()) {
    return session.Fail(manifest.status());
  }
  if (session.json()) {
    session.out() << *manifest;
  } else if (session.globals().quiet) {
    session.out() << flags.out << "\n";
  } else {
    session.out() << "corpora: " << flags.out << "\n";
  }
  return kExitDone;
}

}  // namespace

void AddCorpus(CommandTree& tree) {
  CLI::App* app = tree.Add(
      "corpus", "Have a model write the corpora that it is trained on",
      {"rwku corpus generate --model tiny --dataset rwku --targets 1-10 --out ./tiny-corpora",
       "rwku corpus generate --model tiny --dataset rwku --kinds positive,pair --max-openers 40 "
       "--out ./few",
       "rwku local corpus generate --model ./tiny --dataset ./rwku --target-file ann.json --out "
       "./ann"},
      "Writes a dataset folder: Target/<number>_<Name>/positive.json ... and manifest.json, all of "
      "it or\nnothing. The same model, settings and seed give the same bytes. Openers and refusals "
      "come from\nthe dataset. A target file describes a target beside those of the dataset:\n"
      "  {\"name\": \"...\", \"intro\": \"...\", \"probes\": {\"forget_level1\": [records], ...}}\n"
      "With --request-id a call that broke off can be repeated: texts that are there are not "
      "written again.\n");
  auto flags = std::make_shared<CorpusFlags>();
  const auto many = [app](const char* name, std::vector<std::string>& values, const char* help) {
    return app->add_option(name, values, help)->allow_extra_args(false);
  };
  app->add_option("ACTION", flags->action, "generate")
      ->required()
      ->check(CLI::IsMember({"generate"}));
  app->add_option("--model", flags->model, "Name of the model")->required();
  app->add_option("--dataset", flags->dataset, "Name of the dataset")->required();
  app->add_option("--out", flags->out, "Folder to write; must not exist")->required();
  many("--targets", flags->target_lists,
       "Targets by name, number or range, separated by commas (default: all, or with "
       "--target-file none)");
  many("--target", flags->targets, "One target by name, number or range; repeatable");
  many("--target-file", flags->target_files,
       "JSON file of a target that the dataset does not have; repeatable");
  many("--kinds", flags->kinds,
       "positive, negative, pair, reject, separated by commas (default: all)");
  app->add_option("--max-openers", flags->max_openers,
                  "Texts a side, from the first opener on (default: one an opener)");
  app->add_option("--questions", flags->questions, "Questions to refuse (default: 300)");
  app->add_option("--temperature", flags->temperature, "Of sampling (default: 1.0)");
  app->add_option("--top-p", flags->top_p,
                  "Sample among the likeliest tokens that hold this share (default: 0.9); not for "
                  "questions");
  app->add_option("--max-new-tokens", flags->max_new_tokens,
                  "Longest biography in tokens (default: 512)");
  app->add_option("--seed", flags->seed, "Seed of sampling (default: 42)");
  app->add_option("--priority", flags->priority, "-100..100, higher runs first (default: 0)");
  app->add_option("--request-id", flags->request_id,
                  "Calling again with the same id makes no second run");
  app->add_flag("--single-bos", flags->single_bos,
                "Start templated prompts with one BOS token, not the reference's two");
  Command command;
  command.needs = Needs::kWorkers;
  command.model = &flags->model;
  command.dataset = &flags->dataset;
  command.run = [flags](Session& session) { return Generate(session, *flags); };
  tree.Define(app, std::move(command));
}

}  // namespace rwku::cli
