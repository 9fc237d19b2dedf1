#include "worker/job/content_digest.h"

#include <cstdint>
#include <type_traits>

#include "absl/strings/string_view.h"

#include "base/digest.h"

namespace rwku::job {
namespace {

// Lengths go before what they count, so that no two contents have the same bytes.
class Digester {
 public:
  template <typename T>
  Digester& Add(T number) requires std::is_arithmetic_v<T> {
    digest_.Update({reinterpret_cast<const char*>(&number), sizeof(number)});
    return *this;
  }
  Digester& Add(absl::string_view text) {
    Add(static_cast<uint64_t>(text.size()));
    digest_.Update(text);
    return *this;
  }
  Digester& Add(const std::string& text) { return Add(absl::string_view(text)); }
  Digester& Add(const evaluate::ChatPrompt& prompt) {
    return Add(prompt.system)
        .Add(prompt.user)
        .Add(prompt.assistant_prefix)
        .Add(prompt.separate_prefix);
  }
  Digester& Add(const engine::ChatExample& chat) { return Add(chat.prompt).Add(chat.response); }
  Digester& Add(const engine::PreferencePair& pair) {
    return Add(pair.prompt).Add(pair.chosen).Add(pair.rejected);
  }
  Digester& Add(const evaluate::GenerateRequest& request) {
    return Add(request.prompt).Add(request.max_new_tokens).Add(request.stop_at_end_of_turn);
  }
  Digester& Add(const evaluate::SampleRequest& request) {
    return Add(request.prompt)
        .Add(request.max_new_tokens)
        .Add(request.temperature)
        .Add(request.top_p)
        .Add(request.seed)
        .Add(request.stream);
  }
  Digester& Add(const evaluate::ContinuationRequest& request) {
    return Add(request.prompt).AddAll(request.continuations);
  }
  Digester& Add(const evaluate::NextTokenRequest& request) {
    return Add(request.prompt).AddAll(request.candidates);
  }
  template <typename Items>
  Digester& AddAll(const Items& items) {
    Add(static_cast<uint64_t>(items.size()));
    for (const auto& item : items) {
      Add(item);
    }
    return *this;
  }

  std::string Hex() { return digest_.HexDigest(); }

 private:
  Sha256 digest_;
};

}  // namespace

std::string DigestOf(const std::vector<engine::TrainingPlan>& plans) {
  Digester digester;
  digester.Add(static_cast<uint64_t>(plans.size()));
  for (const engine::TrainingPlan& plan : plans) {
    digester.AddAll(plan.texts).AddAll(plan.chats).AddAll(plan.pairs).AddAll(plan.retain.texts);
  }
  return digester.Hex();
}

std::string DigestOf(absl::Span<const evaluate::GenerateRequest> requests) {
  return Digester().AddAll(requests).Hex();
}

std::string DigestOf(absl::Span<const evaluate::SampleRequest> requests) {
  return Digester().AddAll(requests).Hex();
}

std::string DigestOf(absl::Span<const evaluate::ContinuationRequest> requests) {
  return Digester().AddAll(requests).Hex();
}

std::string DigestOf(absl::Span<const evaluate::NextTokenRequest> requests) {
  return Digester().AddAll(requests).Hex();
}

std::string DigestOf(absl::Span<const std::string> texts) { return Digester().AddAll(texts).Hex(); }

}  // namespace rwku::job
