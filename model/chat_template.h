// Turns a conversation into the text that a model was trained on, by the
// template in the model's file.

#ifndef SHOAL_MODEL_CHAT_TEMPLATE_H_
#define SHOAL_MODEL_CHAT_TEMPLATE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace shoal::model {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

struct ChatInput {
  std::vector<ChatMessage> messages;
  // Ends the text where the model's answer begins.
  bool add_generation_prompt = true;
  // Text of the special tokens; nothing where the model has none.
  std::optional<std::string> bos_token, eos_token;
  absl::Time now;  // for templates that tell the model the date
};

// The subset of Jinja that published chat templates use (jinja_parser.h,
// jinja_evaluator.h), rendered as they are meant to be: white space around
// blocks trimmed, nothing escaped, no tools and no documents.
//
// Limits:  foreign templates are bounded in size, work, depth and output.
// Threads: immutable; thread-safe.
class ChatTemplate {
 public:
  // Errors: kInvalidArgument, kUnimplemented  the message begins with
  //         "chat template: line N: " and names the construct
  static absl::StatusOr<ChatTemplate> Parse(absl::string_view source);

  // Nothing if the file has no template.
  // Errors: as Parse(); kInvalidArgument also if the key is no string
  static absl::StatusOr<std::optional<ChatTemplate>> FromHeader(
      const GgufHeader& header);

  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // Errors: kInvalidArgument    the template refuses this conversation, or has
  //                             a fault that shows with it
  //         kUnimplemented      a filter, test or method that is not supported
  //         kResourceExhausted  a limit
  absl::StatusOr<std::string> Render(const ChatInput& input) const;

 private:
  struct Parsed;
  explicit ChatTemplate(std::unique_ptr<const Parsed> parsed);

  std::unique_ptr<const Parsed> parsed_;
};

// The texts of the model's own special tokens for ChatInput.
void SetSpecialTokens(const Tokenizer& tokenizer, ChatInput& input);

// The ids of a rendered conversation: control tokens in it count, and the
// token that begins a sequence is put before it only where the model wants one
// and the template has not written it.
// Errors: of Tokenizer::Encode().
absl::StatusOr<std::vector<int32_t>> EncodeChat(const Tokenizer& tokenizer,
                                                absl::string_view text);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_CHAT_TEMPLATE_H_
