#include "http/completion_json.h"

#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/api_error.h"
#include "nlohmann/json.hpp"

namespace shoal::http {
namespace {

using nlohmann::json;

CompletionHead Head(bool is_chat) {
  CompletionHead head;
  head.is_chat = is_chat;
  head.id = "id-1";
  head.created = 1700000000;
  head.model = "toy";
  return head;
}

coordinator::GenerateResult Result() {
  coordinator::GenerateResult result;
  result.text = "Hello";
  result.token_ids = {4, 5};
  result.prompt_tokens = 3;
  result.reused_tokens = 1;
  result.finish_reason = coordinator::FinishReason::kEndOfText;
  return result;
}

// An event's object; the form of the event is checked.
json ObjectOf(const std::string& event) {
  EXPECT_TRUE(absl::StartsWith(event, "data: ")) << event;
  EXPECT_TRUE(absl::EndsWith(event, "\n\n")) << event;
  const std::string data = event.substr(6, event.size() - 8);
  EXPECT_EQ(data.find('\n'), std::string::npos) << event;
  return json::parse(data);
}

TEST(CompletionJsonTest, AChatAnswer) {
  const json answer = json::parse(CompletionJson(Head(true), Result()));
  EXPECT_EQ(answer, json::parse(R"({
      "id":"id-1","object":"chat.completion","created":1700000000,
      "model":"toy","choices":[{"index":0,"message":{"role":"assistant",
      "content":"Hello","refusal":null},"logprobs":null,
      "finish_reason":"stop"}],"usage":{"prompt_tokens":3,
      "completion_tokens":2,"total_tokens":5,
      "prompt_tokens_details":{"cached_tokens":1}}})"));
}

TEST(CompletionJsonTest, ATextAnswer) {
  const json answer = json::parse(CompletionJson(Head(false), Result()));
  EXPECT_EQ(answer["object"], "text_completion");
  EXPECT_EQ(answer["choices"][0]["text"], "Hello");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
}

TEST(CompletionJsonTest, WhatTheLimitsEndedIsOfLength) {
  using coordinator::FinishReason;
  for (const auto& [reason, name] :
       {std::pair(FinishReason::kEndOfText, "stop"),
        std::pair(FinishReason::kStopString, "stop"),
        std::pair(FinishReason::kLength, "length"),
        std::pair(FinishReason::kContext, "length")}) {
    const json last = ObjectOf(LastPieceEvent(Head(true), reason));
    EXPECT_EQ(last["choices"][0]["finish_reason"], name);
    EXPECT_EQ(last["choices"][0]["delta"], json::object());
  }
}

TEST(CompletionJsonTest, AChatStream) {
  CompletionHead head = Head(true);
  head.include_usage = true;
  const json first = ObjectOf(FirstEvent(head));
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["choices"][0]["delta"]["role"], "assistant");
  const json piece = ObjectOf(PieceEvent(head, "a\n\"b", {}, 0));
  EXPECT_EQ(piece["choices"][0]["delta"]["content"], "a\n\"b");
  EXPECT_TRUE(piece["choices"][0]["finish_reason"].is_null());
  EXPECT_TRUE(piece["usage"].is_null());
  const json usage = ObjectOf(UsageEvent(head, Result()));
  EXPECT_EQ(usage["choices"], json::array());
  EXPECT_EQ(usage["usage"]["total_tokens"], 5);
  EXPECT_EQ(EndEvent(), "data: [DONE]\n\n");
}

TEST(CompletionJsonTest, WithoutWishThereIsNoUsageInAStream) {
  EXPECT_EQ(UsageEvent(Head(true), Result()), "");
  EXPECT_FALSE(ObjectOf(FirstEvent(Head(true))).contains("usage"));
}

TEST(CompletionJsonTest, ATextStreamBeginsWithText) {
  EXPECT_EQ(FirstEvent(Head(false)), "");
  const json piece = ObjectOf(PieceEvent(Head(false), "ab", {}, 0));
  EXPECT_EQ(piece["choices"][0]["text"], "ab");
}

TEST(CompletionJsonTest, APartOfACharacterIsReplacedButItsBytesAreThere) {
  coordinator::GenerateResult result = Result();
  result.logprobs = {{{4, "\xc3", -0.5f}, {{4, "\xc3", -0.5f}}},
                     {{5, "b", -1.0f}, {}}};
  const json chat = json::parse(CompletionJson(Head(true), result));
  const json& tokens = chat["choices"][0]["logprobs"]["content"];
  EXPECT_EQ(tokens[0]["token"], "\xef\xbf\xbd");
  EXPECT_EQ(tokens[0]["bytes"], json::array({0xc3}));
  EXPECT_EQ(tokens[0]["top_logprobs"][0]["logprob"], -0.5);
  EXPECT_EQ(tokens[1]["top_logprobs"], json::array());
  const json text = json::parse(CompletionJson(Head(false), result));
  const json& columns = text["choices"][0]["logprobs"];
  EXPECT_EQ(columns["token_logprobs"], json::array({-0.5, -1.0}));
  EXPECT_EQ(columns["text_offset"], json::array({0, 1}));
}

TEST(ApiErrorTest, HasTheDialectsFormAndNullWhereNothingIsSaid) {
  EXPECT_EQ(json::parse(FromStatus(absl::UnavailableError("gone")).ToJson()),
            json::parse(R"({"error":{"message":"gone","type":"server_error",
                "param":null,"code":"service_unavailable"}})"));
  EXPECT_EQ(json::parse(WrongField("n", "bad \xff", "c").ToJson()),
            json::parse("{\"error\":{\"message\":\"bad \xef\xbf\xbd\","
                        "\"type\":\"invalid_request_error\",\"param\":\"n\","
                        "\"code\":\"c\"}}"));
}

TEST(ApiErrorTest, EveryKindOfFaultHasItsStatus) {
  EXPECT_EQ(FromStatus(absl::InvalidArgumentError("")).status, 400);
  EXPECT_EQ(FromStatus(absl::FailedPreconditionError("")).status, 400);
  EXPECT_EQ(FromStatus(absl::ResourceExhaustedError("")).status, 429);
  EXPECT_EQ(FromStatus(absl::UnavailableError("")).status, 503);
  EXPECT_EQ(FromStatus(absl::InternalError("")).status, 500);
  EXPECT_EQ(FromStatus(absl::DataLossError("")).status, 500);
}

}  // namespace
}  // namespace shoal::http
