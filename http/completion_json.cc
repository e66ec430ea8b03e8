#include "http/completion_json.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace shoal::http {
namespace {

// Fields in the order of the dialect's documentation.
using Json = nlohmann::ordered_json;
using coordinator::ChoiceLogprobs;
using coordinator::FinishReason;
using coordinator::GenerateResult;
using coordinator::TokenLogprob;

// A token may be a part of a character; its bytes are given, too.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json HeadJson(const CompletionHead& head, bool is_chunk) {
  const char* object = "text_completion";
  if (head.is_chat) {
    object = is_chunk ? "chat.completion.chunk" : "chat.completion";
  }
  return {{"id", head.id},
          {"object", object},
          {"created", head.created},
          {"model", head.model}};
}

Json FinishJson(FinishReason reason) {
  const bool is_full =
      reason == FinishReason::kLength || reason == FinishReason::kContext;
  return is_full ? "length" : "stop";
}

Json UsageJson(const GenerateResult& result) {
  return {{"prompt_tokens", result.prompt_tokens},
          {"completion_tokens", result.token_ids.size()},
          {"total_tokens", result.prompt_tokens + result.token_ids.size()},
          {"prompt_tokens_details", {{"cached_tokens", result.reused_tokens}}}};
}

Json TokenJson(const TokenLogprob& token) {
  Json bytes = Json::array();
  for (const char byte : token.bytes) {
    bytes.push_back(static_cast<unsigned char>(byte));
  }
  return {{"token", token.bytes},
          {"logprob", token.logprob},
          {"bytes", std::move(bytes)}};
}

Json ChatLogprobs(const std::vector<ChoiceLogprobs>& logprobs) {
  Json content = Json::array();
  for (const ChoiceLogprobs& choice : logprobs) {
    Json token = TokenJson(choice.chosen);
    Json& top = token["top_logprobs"] = Json::array();
    for (const TokenLogprob& rival : choice.top) {
      top.push_back(TokenJson(rival));
    }
    content.push_back(std::move(token));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json TextLogprobs(const std::vector<ChoiceLogprobs>& logprobs,
                  size_t text_offset) {
  Json tokens = Json::array(), values = Json::array(), tops = Json::array(),
       offsets = Json::array();
  for (const ChoiceLogprobs& choice : logprobs) {
    tokens.push_back(choice.chosen.bytes);
    values.push_back(choice.chosen.logprob);
    offsets.push_back(text_offset);
    text_offset += choice.chosen.bytes.size();
    Json top = Json::object();
    for (const TokenLogprob& rival : choice.top) {
      top[rival.bytes] = rival.logprob;
    }
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

Json LogprobsJson(const CompletionHead& head,
                  const std::vector<ChoiceLogprobs>& logprobs,
                  size_t text_offset) {
  if (logprobs.empty()) return nullptr;
  return head.is_chat ? ChatLogprobs(logprobs)
                      : TextLogprobs(logprobs, text_offset);
}

// `what` is what the choice has to say: a delta, a message or text.
Json ChoiceJson(const char* name, Json what, Json logprobs, Json finish) {
  return {{"index", 0},
          {name, std::move(what)},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", std::move(finish)}};
}

std::string ChunkEvent(const CompletionHead& head, Json choice) {
  Json chunk = HeadJson(head, /*is_chunk=*/true);
  chunk["choices"] = Json::array({std::move(choice)});
  if (head.include_usage) chunk["usage"] = nullptr;
  return EventOf(Dump(chunk));
}

}  // namespace

std::string EventOf(const std::string& json) {
  return absl::StrCat("data: ", json, "\n\n");
}

std::string CompletionJson(const CompletionHead& head,
                           const GenerateResult& result) {
  Json answer = HeadJson(head, /*is_chunk=*/false);
  Json logprobs = LogprobsJson(head, result.logprobs, 0);
  Json finish = FinishJson(result.finish_reason);
  if (head.is_chat) {
    Json message = {
        {"role", "assistant"}, {"content", result.text}, {"refusal", nullptr}};
    answer["choices"] =
        Json::array({ChoiceJson("message", std::move(message),
                                std::move(logprobs), std::move(finish))});
  } else {
    answer["choices"] = Json::array({ChoiceJson(
        "text", result.text, std::move(logprobs), std::move(finish))});
  }
  answer["usage"] = UsageJson(result);
  return Dump(answer);
}

std::string FirstEvent(const CompletionHead& head) {
  if (!head.is_chat) return "";
  return ChunkEvent(
      head, ChoiceJson("delta", {{"role", "assistant"}, {"content", ""}},
                       nullptr, nullptr));
}

std::string PieceEvent(const CompletionHead& head, const std::string& text,
                       const std::vector<ChoiceLogprobs>& logprobs,
                       size_t text_offset) {
  Json said = head.is_chat ? Json{{"content", text}} : Json(text);
  return ChunkEvent(
      head, ChoiceJson(head.is_chat ? "delta" : "text", std::move(said),
                       LogprobsJson(head, logprobs, text_offset), nullptr));
}

std::string LastPieceEvent(const CompletionHead& head, FinishReason reason) {
  return ChunkEvent(head, ChoiceJson(head.is_chat ? "delta" : "text",
                                     head.is_chat ? Json::object() : Json(""),
                                     nullptr, FinishJson(reason)));
}

std::string UsageEvent(const CompletionHead& head,
                       const GenerateResult& result) {
  if (!head.include_usage) return "";
  Json chunk = HeadJson(head, /*is_chunk=*/true);
  chunk["choices"] = Json::array();
  chunk["usage"] = UsageJson(result);
  return EventOf(Dump(chunk));
}

std::string EndEvent() { return "data: [DONE]\n\n"; }

}  // namespace shoal::http
