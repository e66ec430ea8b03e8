#include "http/completion_request.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "http/request_fields.h"
#include "model/stop_matcher.h"
#include "nlohmann/json.hpp"

namespace shoal::http {
namespace {

using nlohmann::json;

constexpr int64_t kTokensMax = std::numeric_limits<int32_t>::max();
// Where the dialect takes 0 for "the best token only".
constexpr float kSmallestTopP = 1e-9f;

// What is wrong with its extent; whatever else it is.
std::string CheckExtent(absl::string_view body) {
  size_t values = 0;
  size_t level = 0;
  bool in_string = false;
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '"') in_string = !in_string;
    if (in_string) {
      if (c == '\\') ++i;
      continue;
    }
    if (c == '[' || c == '{') ++level;
    if ((c == ']' || c == '}') && level > 0) --level;
    if (c == '[' || c == '{' || c == ',') ++values;
    if (level > kBodyLevelsMax) {
      return absl::StrCat("it has more than ", kBodyLevelsMax, " levels");
    }
    if (values > kBodyValuesMax) {
      return absl::StrCat("it has more than ", kBodyValuesMax, " values");
    }
  }
  return "";
}

std::optional<ApiError> ParseObject(absl::string_view body, json& to) {
  std::string reason = CheckExtent(body);
  if (!reason.empty()) {
    return WrongField("", absl::StrCat("the body is too much: ", reason),
                      "request_too_large");
  }
  reason = "it must be an object";
  try {
    to = json::parse(body.begin(), body.end());
    if (to.is_object()) return std::nullopt;
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string what = error.what();
    reason = what.substr(std::min(what.size(), what.find("] ") + 2));
  }
  return WrongField("",
                    absl::StrCat("the body is not a request in JSON: ", reason),
                    "invalid_json");
}

void ReadSampling(RequestFields& fields, CompletionRequest& to) {
  coordinator::SamplingOptions& sampling = to.generate.sampling;
  sampling.temperature = 1;  // the dialect's default
  fields.Read("temperature", 0, 2, sampling.temperature);
  fields.Read("top_p", 0, 1, sampling.top_p);
  sampling.top_p = std::max(sampling.top_p, kSmallestTopP);
  fields.Read("min_p", 0, 1, sampling.min_p);
  fields.Read("repeat_penalty", 0.01, 100, sampling.repeat_penalty);
  int64_t top_k = 0;
  fields.Read("top_k", 0, kTokensMax, top_k);
  sampling.top_k = static_cast<uint32_t>(top_k);
  if (fields.Has("seed")) {
    int64_t seed = 0;
    fields.Read("seed", INT64_MIN, INT64_MAX, seed);
    to.seed = static_cast<uint64_t>(seed);
  }
}

void ReadLimits(RequestFields& fields, CompletionRequest& to) {
  int64_t tokens = kTokensMax;  // up to the end of the context
  fields.Read("max_tokens", 1, kTokensMax, tokens);
  if (to.is_chat) fields.Read("max_completion_tokens", 1, kTokensMax, tokens);
  to.generate.max_tokens = static_cast<uint32_t>(tokens);
  fields.Read("stop", to.generate.stop);
  const auto stops = model::StopMatcher::Create(to.generate.stop);
  if (!stops.ok()) fields.Fail("stop", std::string(stops.status().message()));
}

void RefuseUnsupported(RequestFields& fields) {
  fields.Refuse("n", 1, "one choice per request is made; send it n times");
  fields.Refuse("best_of", 1, "one choice per request is made");
  fields.Refuse("presence_penalty", 0, "not supported; use repeat_penalty");
  fields.Refuse("frequency_penalty", 0, "not supported; use repeat_penalty");
  fields.Refuse("logit_bias", nullptr, "not supported");
  fields.Refuse("tools", nullptr, "tools are not supported");
  fields.Refuse("functions", nullptr, "functions are not supported");
  fields.Refuse("response_format", json{{"type", "text"}},
                "only {\"type\":\"text\"} is supported");
  fields.Refuse("modalities", json::array({"text"}), "only text is generated");
  fields.Refuse("audio", nullptr, "only text is generated");
  fields.Refuse("web_search_options", nullptr, "not supported");
  fields.Refuse("echo", nullptr, "the prompt is not repeated");
  fields.Refuse("suffix", nullptr, "inserting text is not supported");
}

void ReadCommon(RequestFields& fields, CompletionRequest& to) {
  fields.Read("model", to.model);
  fields.Read("stream", to.stream);
  if (const json* options = fields.Find("stream_options")) {
    if (!options->is_object()) {
      fields.Fail("stream_options",
                  absl::StrCat("stream_options is ", KindOf(*options),
                               "; it must be an object"));
    } else if (!to.stream) {
      fields.Fail("stream_options",
                  "stream_options is for requests with \"stream\": true");
    } else {
      RequestFields inner(*options);
      inner.Read("include_usage", to.include_usage);
      if (inner.error()) {
        fields.Fail("stream_options.include_usage", inner.error()->message);
      }
    }
  }
  ReadSampling(fields, to);
  ReadLimits(fields, to);
  RefuseUnsupported(fields);
}

// Appends the text of a message: a string, or a list of parts of text.
void ReadContent(const json& content, const std::string& where,
                 RequestFields& fields, std::string& to) {
  if (content.is_string()) {
    to = content.get<std::string>();
    return;
  }
  if (!content.is_array()) {
    fields.Fail(where, absl::StrCat(where, " is ", KindOf(content),
                                    "; it must be a string or a list of "
                                    "parts"));
    return;
  }
  for (const json& part : content) {
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || type == part.end() || *type != "text") {
      fields.Fail(where,
                  absl::StrCat(where,
                               ": only parts of \"type\": \"text\" are "
                               "supported"),
                  "unsupported_content");
      return;
    }
    const auto text = part.find("text");
    if (text == part.end() || !text->is_string()) {
      fields.Fail(where,
                  absl::StrCat(where, ": a part has no string \"text\""));
      return;
    }
    to += text->get<std::string>();
  }
}

void ReadMessage(const json& message, const std::string& where,
                 RequestFields& fields, coordinator::Conversation& talk) {
  if (!message.is_object()) {
    return fields.Fail(where, absl::StrCat(where, " is ", KindOf(message),
                                           "; it must be an object"));
  }
  model::ChatMessage read;
  RequestFields inner(message);
  inner.Read("role", read.role);
  if (read.role == "developer") read.role = "system";  // its newer name
  if (read.role != "system" && read.role != "user" &&
      read.role != "assistant") {
    return fields.Fail(where + ".role",
                       absl::StrCat(where,
                                    ".role must be system, developer, user or "
                                    "assistant; tools are not supported"));
  }
  inner.Refuse("tool_calls", nullptr, "tools are not supported");
  inner.Refuse("function_call", nullptr, "functions are not supported");
  if (inner.error()) {
    return fields.Fail(where, inner.error()->message, inner.error()->code);
  }
  const json* content = inner.Find("content");
  if (content == nullptr) {
    return fields.Fail(where + ".content",
                       absl::StrCat(where, " has no content"));
  }
  ReadContent(*content, where + ".content", fields, read.content);
  talk.messages.push_back(std::move(read));
}

void ReadMessages(RequestFields& fields, CompletionRequest& to) {
  const json* messages = fields.Find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    return fields.Fail("messages",
                       "messages must be a list of at least one message");
  }
  coordinator::Conversation talk;
  for (size_t i = 0; i < messages->size(); ++i) {
    ReadMessage((*messages)[i], absl::StrCat("messages[", i, "]"), fields,
                talk);
    if (fields.error()) return;
  }
  to.generate.prompt = std::move(talk);
}

// A string, token ids, or a list of one of these.
void ReadPrompt(RequestFields& fields, CompletionRequest& to) {
  const json* prompt = fields.Find("prompt");
  if (prompt == nullptr) return fields.Fail("prompt", "prompt is missing");
  if (prompt->is_array() && prompt->size() == 1 &&
      !prompt->front().is_number()) {
    prompt = &prompt->front();
  }
  if (prompt->is_string()) {
    to.generate.prompt = prompt->get<std::string>();
    return;
  }
  std::vector<int32_t> ids;
  const bool are_ids =
      prompt->is_array() && !prompt->empty() &&
      std::all_of(prompt->begin(), prompt->end(), [&](const json& id) {
        // What is no id of the model is found where the model is known.
        const bool fits =
            id.is_number_unsigned() &&
            id.get<uint64_t>() <= static_cast<uint64_t>(kTokensMax);
        if (fits) ids.push_back(id.get<int32_t>());
        return fits;
      });
  if (!are_ids) {
    return fields.Fail("prompt",
                       "prompt must be a string or a list of token ids; one "
                       "prompt per request");
  }
  to.generate.prompt = std::move(ids);
}

}  // namespace

std::optional<ApiError> ParseChatRequest(absl::string_view body,
                                         CompletionRequest& to) {
  json object;
  if (auto error = ParseObject(body, object)) return error;
  to = {};
  to.is_chat = true;
  RequestFields fields(object);
  ReadMessages(fields, to);
  ReadCommon(fields, to);
  bool logprobs = false;
  fields.Read("logprobs", logprobs);
  int64_t top_count = 0;
  fields.Read("top_logprobs", 0, coordinator::kTopLogprobsMax, top_count);
  if (logprobs) {
    to.generate.top_logprobs = static_cast<uint32_t>(top_count);
  } else if (top_count > 0) {
    fields.Fail("top_logprobs", "top_logprobs needs \"logprobs\": true");
  }
  return fields.error();
}

std::optional<ApiError> ParseTextRequest(absl::string_view body,
                                         CompletionRequest& to) {
  json object;
  if (auto error = ParseObject(body, object)) return error;
  to = {};
  RequestFields fields(object);
  ReadPrompt(fields, to);
  ReadCommon(fields, to);
  if (fields.Has("logprobs")) {
    int64_t top_count = 0;
    fields.Read("logprobs", 0, coordinator::kTopLogprobsMax, top_count);
    to.generate.top_logprobs = static_cast<uint32_t>(top_count);
  }
  return fields.error();
}

}  // namespace shoal::http
