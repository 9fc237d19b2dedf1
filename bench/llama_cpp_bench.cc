// Times llama.cpp's prefill and greedy batch decoding as decode_bench.cc does ours: prints one JSON
// line with the wall seconds of both parts in each repetition and the tokens. Usage:
//   llama-cpp-bench <model.gguf> <prompts.json> <new tokens> <repetitions> <threads> <backends>
// All prompts are in one batch. <backends> is the folder of llama.cpp's own libraries, of which it
// takes those that suit this processor best. Built by scripts/llama-cpp against the pinned release,
// not by CMake.
#include <ggml-backend.h>
#include <llama.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace {

// Tokens of one call; llama.cpp itself computes 512 of them together (n_ubatch).
constexpr int kCallTokens = 2048;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "llama-cpp-bench: %s\n", what);
  std::exit(1);
}

double Seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

void Add(llama_batch& batch, llama_token token, int position, int sequence, bool wanted) {
  const int i = batch.n_tokens++;
  batch.token[i] = token;
  batch.pos[i] = position;
  batch.n_seq_id[i] = 1;
  batch.seq_id[i][0] = sequence;
  batch.logits[i] = static_cast<int8_t>(wanted);
}

llama_token Argmax(const float* logits, int size) {
  float most = logits[0];
  for (int i = 1; i < size; ++i) {
    most = logits[i] > most ? logits[i] : most;
  }
  int first = 0;
  while (logits[first] != most) {
    ++first;
  }
  return first;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fputs(
        "usage: llama-cpp-bench <model.gguf> <prompts.json> <new> <repetitions> <threads> "
        "<backends>\n",
        stderr);
    return 2;
  }
  std::ifstream file(argv[2]);
  const auto prompts = nlohmann::json::parse(file).get<std::vector<std::vector<llama_token>>>();
  const int new_tokens = std::atoi(argv[3]);
  const int repetitions = std::atoi(argv[4]);
  const auto count = static_cast<int>(prompts.size());
  size_t longest = 0;
  for (const auto& prompt : prompts) {
    longest = std::max(longest, prompt.size());
  }

  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all_from_path(argv[6]);
  llama_backend_init();
  llama_model* const model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (model == nullptr) {
    Fail("cannot load the model");
  }
  llama_context_params params = llama_context_default_params();
  // Of each sequence; rounded up by llama.cpp.
  params.n_ctx = static_cast<uint32_t>(count * (longest + new_tokens + 1));
  params.n_batch = kCallTokens;
  params.n_seq_max = count;
  params.n_threads = std::atoi(argv[5]);
  params.n_threads_batch = params.n_threads;
  llama_context* const context = llama_init_from_model(model, params);
  if (context == nullptr) {
    Fail("cannot make a context");
  }
  const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  llama_batch batch = llama_batch_init(kCallTokens, 0, 1);
  const auto decode = [&] {
    if (llama_decode(context, batch) != 0) {
      Fail("llama_decode failed");
    }
  };

  nlohmann::json report;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    llama_memory_clear(llama_get_memory(context), true);
    std::vector<std::vector<llama_token>> outputs(count);
    const double start = Seconds();
    batch.n_tokens = 0;
    std::vector<std::pair<int, int>> wanted;  // sequence, and place of its last token in the call
    const auto flush = [&] {
      decode();
      for (const auto& [sequence, place] : wanted) {
        outputs[sequence].push_back(Argmax(llama_get_logits_ith(context, place), vocabulary));
      }
      wanted.clear();
      batch.n_tokens = 0;
    };
    for (int sequence = 0; sequence < count; ++sequence) {
      for (size_t i = 0; i < prompts[sequence].size(); ++i) {
        const bool last = i + 1 == prompts[sequence].size();
        if (last) {
          wanted.emplace_back(sequence, batch.n_tokens);
        }
        Add(batch, prompts[sequence][i], static_cast<int>(i), sequence, last);
        if (batch.n_tokens == kCallTokens) {
          flush();
        }
      }
    }
    if (batch.n_tokens > 0) {
      flush();
    }
    const double prefilled = Seconds();
    for (int step = 1; step < new_tokens; ++step) {
      batch.n_tokens = 0;
      for (int sequence = 0; sequence < count; ++sequence) {
        Add(batch, outputs[sequence].back(), static_cast<int>(prompts[sequence].size()) + step - 1,
            sequence, true);
      }
      decode();
      for (int sequence = 0; sequence < count; ++sequence) {
        outputs[sequence].push_back(Argmax(llama_get_logits_ith(context, sequence), vocabulary));
      }
    }
    report["prefill_seconds"].push_back(prefilled - start);
    report["decode_seconds"].push_back(Seconds() - prefilled);
    report["tokens"] = outputs;
  }
  std::puts(report.dump().c_str());
  llama_batch_free(batch);
  llama_free(context);
  llama_model_free(model);
  return 0;
}
