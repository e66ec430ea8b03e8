#include "model/chat_template.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_ast.h"
#include "model/jinja_evaluator.h"
#include "model/jinja_parser.h"

namespace shoal::model {
namespace {

constexpr absl::string_view kTemplateKey = "tokenizer.chat_template";

absl::Status OfTemplate(const absl::Status& status) {
  return absl::Status(
      status.code(),
      absl::StrCat("chat template: ", std::string(status.message())));
}

jinja::Value Messages(jinja::Heap& heap, const ChatInput& input) {
  std::vector<jinja::Value> messages;
  const jinja::Value role = heap.MakeText("role");
  const jinja::Value content = heap.MakeText("content");
  for (const ChatMessage& message : input.messages) {
    messages.push_back(
        heap.MakeDict({{role, heap.MakeText(message.role)},
                       {content, heap.MakeText(message.content)}}));
  }
  return heap.MakeList(std::move(messages));
}

}  // namespace

struct ChatTemplate::Parsed {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Parsed> parsed)
    : parsed_(std::move(parsed)) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(absl::string_view source) {
  absl::StatusOr<jinja::Body> body = jinja::ParseTemplate(source);
  if (!body.ok()) return OfTemplate(body.status());
  auto parsed = std::make_unique<Parsed>();
  parsed->body = *std::move(body);
  return ChatTemplate(std::move(parsed));
}

absl::StatusOr<std::optional<ChatTemplate>> ChatTemplate::FromHeader(
    const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(const std::optional<std::string> source,
                         header.FindString(kTemplateKey));
  if (!source.has_value() || source->empty()) {
    return std::optional<ChatTemplate>();
  }
  SHOAL_ASSIGN_OR_RETURN(ChatTemplate parsed, Parse(*source));
  return std::optional<ChatTemplate>(std::move(parsed));
}

absl::StatusOr<std::string> ChatTemplate::Render(const ChatInput& input) const {
  jinja::Heap heap;
  jinja::Scope* globals = heap.MakeScope(nullptr);
  globals->Set("messages", Messages(heap, input));
  globals->Set("add_generation_prompt", input.add_generation_prompt);
  globals->Set("tools", jinja::None());
  globals->Set("documents", jinja::None());
  if (input.bos_token) {
    globals->Set("bos_token", heap.MakeText(*input.bos_token));
  }
  if (input.eos_token) {
    globals->Set("eos_token", heap.MakeText(*input.eos_token));
  }
  jinja::Evaluator evaluator(heap, input.now);
  absl::StatusOr<std::string> text =
      evaluator.Render(parsed_->body, heap.MakeScope(globals));
  if (!text.ok()) return OfTemplate(text.status());
  return text;
}

void SetSpecialTokens(const Tokenizer& tokenizer, ChatInput& input) {
  const auto text = [&](std::optional<int32_t> id) {
    return id ? std::optional<std::string>(
                    std::string(tokenizer.vocabulary().Text(*id)))
              : std::nullopt;
  };
  input.bos_token = text(tokenizer.bos_id());
  input.eos_token = text(tokenizer.eos_id());
}

absl::StatusOr<std::vector<int32_t>> EncodeChat(const Tokenizer& tokenizer,
                                                absl::string_view text) {
  Tokenizer::EncodeOptions options;
  options.parse_special = true;
  options.add_special = false;
  SHOAL_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                         tokenizer.Encode(text, options));
  const std::optional<int32_t> bos = tokenizer.bos_id();
  if (tokenizer.adds_bos() && bos && (ids.empty() || ids.front() != *bos)) {
    ids.insert(ids.begin(), *bos);
  }
  return ids;
}

}  // namespace shoal::model
