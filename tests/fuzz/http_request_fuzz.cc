// Fuzz target: the JSON of requests for completions, and the answers that quote
// it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "coordinator/generation.h"
#include "http/api_error.h"
#include "http/completion_json.h"
#include "http/completion_request.h"
#include "model/stop_matcher.h"
#include "nlohmann/json.hpp"

namespace {

using shoal::http::ApiError;
using shoal::http::CompletionRequest;

// Whatever was sent, the error is an object in one line.
void CheckError(const ApiError& error) {
  SHOAL_CHECK(error.status == 400, error.message);
  const std::string text = error.ToJson();
  SHOAL_CHECK(text.find('\n') == std::string::npos, text);
  const auto parsed = nlohmann::json::parse(text);
  SHOAL_CHECK(!parsed["error"]["message"].get<std::string>().empty(), text);
}

void CheckRequest(const CompletionRequest& request) {
  const auto& sampling = request.generate.sampling;
  SHOAL_CHECK(sampling.temperature >= 0 && sampling.temperature <= 2);
  SHOAL_CHECK(sampling.top_p > 0 && sampling.top_p <= 1);
  SHOAL_CHECK(sampling.min_p >= 0 && sampling.min_p <= 1);
  SHOAL_CHECK(sampling.repeat_penalty > 0);
  SHOAL_CHECK(request.generate.max_tokens > 0);
  SHOAL_CHECK(request.generate.top_logprobs.value_or(0) <=
              shoal::coordinator::kTopLogprobsMax);
  SHOAL_CHECK(shoal::model::StopMatcher::Create(request.generate.stop).ok());
  if (const auto* ids =
          std::get_if<std::vector<int32_t>>(&request.generate.prompt)) {
    SHOAL_CHECK(!ids->empty());
    for (const int32_t id : *ids) SHOAL_CHECK(id >= 0);
  }
  // Its strings as text and as tokens of an answer.
  shoal::coordinator::GenerateResult result;
  result.text = request.model;
  for (const std::string& stop : request.generate.stop) {
    result.logprobs.push_back({{0, stop, -1}, {{0, stop.substr(1), -2}}});
  }
  shoal::http::CompletionHead head;
  head.is_chat = request.is_chat;
  head.model = request.model;
  SHOAL_CHECK(
      nlohmann::json::accept(shoal::http::CompletionJson(head, result)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view body(reinterpret_cast<const char*>(data), size);
  CompletionRequest request;
  if (const auto error = shoal::http::ParseChatRequest(body, request)) {
    CheckError(*error);
  } else {
    CheckRequest(request);
  }
  if (const auto error = shoal::http::ParseTextRequest(body, request)) {
    CheckError(*error);
  } else {
    CheckRequest(request);
  }
  return 0;
}
