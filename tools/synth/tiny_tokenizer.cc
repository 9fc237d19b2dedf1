#include "tools/synth/tiny_tokenizer.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status_macros.h"
#include "text/bpe_trainer.h"
#include "tools/synth/documents.h"

namespace rwku::synth {
namespace {

using nlohmann::json;

constexpr int kSampleDocuments = 3000;
// Names are shown often enough to become one to three tokens.
constexpr int kNameRepeats = 40;
constexpr int kEpithetRepeats = 10;

constexpr char kBos[] = "<|begin_of_text|>";
constexpr char kEndOfTurn[] = "<|eot_id|>";

constexpr char kChatTemplate[] =
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}";

std::vector<std::string> SampleTexts(const World& world, uint64_t seed) {
  std::vector<std::string> texts;
  DocumentStream documents(world, seed);
  for (int i = 0; i < kSampleDocuments; ++i) {
    const Document document = documents.Next();
    if (document.prompt.has_value()) {
      texts.push_back(absl::StrCat(document.prompt->user, "\n", document.prompt->assistant_prefix));
    }
    texts.push_back(document.text);
  }
  for (const std::vector<Person>* people : {&world.targets, &world.neighbors}) {
    for (const Person& person : *people) {
      texts.insert(texts.end(), kNameRepeats, absl::StrCat(" ", person.name));
      if (person.target) {
        texts.insert(texts.end(), kEpithetRepeats,
                     absl::StrCat(" ", person.fact(Attribute::kEpithet)));
      }
    }
  }
  return texts;
}

}  // namespace

absl::Status WriteTinyTokenizer(const World& world, uint64_t seed, int vocabulary_size,
                                const std::filesystem::path& folder) {
  text::BpeOptions options;
  options.vocabulary_size = vocabulary_size;
  options.special_tokens = {kBos, "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                            kEndOfTurn};
  options.bos = kBos;
  RWKU_ASSIGN_OR_RETURN(const std::string tokenizer,
                        text::TrainByteLevelBpe(SampleTexts(world, seed), options));
  const json config = {{"bos_token", kBos},
                       {"eos_token", kEndOfTurn},
                       {"chat_template", kChatTemplate},
                       {"clean_up_tokenization_spaces", false},
                       {"model_max_length", 1024},
                       {"tokenizer_class", "PreTrainedTokenizerFast"}};
  const json generation = {{"bos_token_id", 0}, {"eos_token_id", 4}, {"do_sample", false}};
  RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / "tokenizer.json", tokenizer));
  RWKU_RETURN_IF_ERROR(WriteFileAtomically(folder / "tokenizer_config.json", config.dump(2)));
  return WriteFileAtomically(folder / "generation_config.json", generation.dump(2));
}

}  // namespace rwku::synth
