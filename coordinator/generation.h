// What a caller asks the coordinator to generate, and what comes back.

#ifndef SHOAL_COORDINATOR_GENERATION_H_
#define SHOAL_COORDINATOR_GENERATION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/chat_template.h"

namespace shoal::coordinator {

// How the next token is chosen; model::SamplingParameters has the meanings and
// limits. The values that turn a filter off are the defaults.
struct SamplingOptions {
  float temperature = 0.8f;     // 0: always the most likely token
  uint32_t top_k = 0;           // 0: off
  float top_p = 1.0f;           // 1: off
  float min_p = 0.0f;           // 0: off
  float repeat_penalty = 1.0f;  // 1: off
  uint32_t repeat_window = 64;  // tokens
  uint64_t seed = 0;
};

// To be rendered by the model's chat template, with the beginning of the
// answer at its end.
struct Conversation {
  std::vector<model::ChatMessage> messages;
};

struct GenerateRequest {
  // Text, the token ids themselves, or a conversation.
  std::variant<std::string, std::vector<int32_t>, Conversation> prompt;
  // For text: puts the beginning-of-sequence token where the model has one.
  bool add_special = true;
  // For text: control tokens written in it become ids.
  bool parse_special = false;
  SamplingOptions sampling;
  uint32_t max_tokens = 128;      // 0: the prompt alone
  std::vector<std::string> stop;  // model::StopMatcher has the limits
  bool ignore_eos = false;
  bool dump_prompt_logits = false;
  // Probabilities of each token and of the so many most likely ones, at most
  // kTopLogprobsMax; nothing: none are computed.
  std::optional<uint32_t> top_logprobs;
};

inline constexpr uint32_t kTopLogprobsMax = 20;

struct TokenLogprob {
  int32_t id = 0;
  std::string bytes;  // what it stands for, perhaps part of a character
  float logprob = 0;  // natural logarithm, of the model's own distribution
};

// A token that was chosen, and the most likely ones in its place, best first.
struct ChoiceLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};

enum class FinishReason : uint8_t {
  kEndOfText,   // the model ended it
  kStopString,  // one of `stop` came up; it is not part of the text
  kLength,      // max_tokens
  kContext,     // the context that was provided is full
  kCancelled,
};
// "stop", "stop_string", "length", "context", "cancelled".
absl::string_view ToString(FinishReason reason);

struct GenerateResult {
  std::string text;  // what was generated, without the prompt
  // Likewise; without the token that ended it.
  std::vector<int32_t> token_ids;
  uint32_t prompt_tokens = 0;
  uint32_t reused_tokens = 0;  // of the prompt, still in the KV cache
  absl::Duration time_to_first_token;
  std::vector<absl::Duration> token_times;  // of each token after the first
  FinishReason finish_reason = FinishReason::kLength;
  std::vector<float> prompt_logits;  // [vocabulary], of the last prompt token
  std::vector<ChoiceLogprobs> logprobs;  // by token_ids, if asked for

  // Mean over token_times; zero if there are none.
  absl::Duration time_per_token() const;
};

// Called with whole characters as they are generated.
using TextCallback = std::function<void(absl::string_view)>;

// Generates for a client; ends soon once `is_gone` says that it has left.
using ClientGenerator = std::function<absl::StatusOr<GenerateResult>(
    const GenerateRequest& request, const TextCallback& on_text,
    const std::function<bool()>& is_gone)>;

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_GENERATION_H_
