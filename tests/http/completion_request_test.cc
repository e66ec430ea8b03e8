#include "http/completion_request.h"

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The fields of a chat request, with `more` added.
std::string Chat(const std::string& more) {
  return absl::StrCat(R"({"messages":[{"role":"user","content":"Hi"}])",
                      more.empty() ? "" : ",", more, "}");
}

CompletionRequest Parsed(const std::string& body, bool is_chat = true) {
  CompletionRequest request;
  const auto error = is_chat ? ParseChatRequest(body, request)
                             : ParseTextRequest(body, request);
  EXPECT_FALSE(error.has_value()) << error->message;
  return request;
}

ApiError Refused(const std::string& body, bool is_chat = true) {
  CompletionRequest request;
  const auto error = is_chat ? ParseChatRequest(body, request)
                             : ParseTextRequest(body, request);
  EXPECT_TRUE(error.has_value()) << body;
  return error.value_or(ApiError());
}

const coordinator::Conversation& TalkOf(const CompletionRequest& request) {
  return std::get<coordinator::Conversation>(request.generate.prompt);
}

TEST(CompletionRequestTest, WhatIsNotSaidIsTheDialectsDefault) {
  const CompletionRequest request = Parsed(Chat(""));
  EXPECT_TRUE(request.is_chat);
  EXPECT_FALSE(request.stream);
  EXPECT_FALSE(request.seed.has_value());
  EXPECT_EQ(request.generate.sampling.temperature, 1.0f);
  EXPECT_EQ(request.generate.sampling.top_p, 1.0f);
  EXPECT_GT(request.generate.max_tokens, 1'000'000u);
  EXPECT_FALSE(request.generate.top_logprobs.has_value());
}

TEST(CompletionRequestTest, EveryFieldArrives) {
  const CompletionRequest request =
      Parsed(Chat(R"("model":"m","temperature":0.5,"top_p":0.9,"seed":-1,
              "max_tokens":7,"stop":"x","stream":true,
              "stream_options":{"include_usage":true},"logprobs":true,
              "top_logprobs":4,"top_k":3,"min_p":0.1,"repeat_penalty":1.5)"));
  EXPECT_EQ(request.model, "m");
  const auto& sampling = request.generate.sampling;
  EXPECT_EQ(sampling.temperature, 0.5f);
  EXPECT_EQ(sampling.top_p, 0.9f);
  EXPECT_EQ(sampling.top_k, 3u);
  EXPECT_EQ(sampling.min_p, 0.1f);
  EXPECT_EQ(sampling.repeat_penalty, 1.5f);
  EXPECT_EQ(request.seed, UINT64_MAX);
  EXPECT_EQ(request.generate.max_tokens, 7u);
  EXPECT_THAT(request.generate.stop, ElementsAre("x"));
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.include_usage);
  EXPECT_EQ(request.generate.top_logprobs, 4u);
}

TEST(CompletionRequestTest, TheNewerNameOfTheLimitGoesFirst) {
  EXPECT_EQ(Parsed(Chat(R"("max_tokens":7,"max_completion_tokens":9)"))
                .generate.max_tokens,
            9u);
}

TEST(CompletionRequestTest, ContentIsTextOrPartsOfText) {
  const CompletionRequest request = Parsed(R"({"messages":[
      {"role":"developer","content":"Be brief."},
      {"role":"assistant","content":[{"type":"text","text":"a"},
                                     {"type":"text","text":"b"}]},
      {"role":"user","content":"","name":"Ada"}]})");
  const auto& messages = TalkOf(request).messages;
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content, "ab");
  EXPECT_EQ(messages[2].content, "");
}

TEST(CompletionRequestTest, APromptIsTextOrTokenIdsOrAListOfOne) {
  const auto prompt = [](const std::string& json) {
    return Parsed(absl::StrCat("{\"prompt\":", json, "}"), false)
        .generate.prompt;
  };
  EXPECT_EQ(std::get<std::string>(prompt(R"("Hi")")), "Hi");
  EXPECT_EQ(std::get<std::string>(prompt(R"(["Hi"])")), "Hi");
  EXPECT_THAT(std::get<std::vector<int32_t>>(prompt("[1,2]")),
              ElementsAre(1, 2));
  EXPECT_THAT(std::get<std::vector<int32_t>>(prompt("[[1,2]]")),
              ElementsAre(1, 2));
  EXPECT_THAT(std::get<std::vector<int32_t>>(prompt("[7]")), ElementsAre(7));
  for (const char* json : {"null", "[]", "[[]]", R"(["a","b"])", "[1,\"a\"]",
                           "[-1]", "[1.5]", "[4294967296]", "{}", "7"}) {
    EXPECT_EQ(Refused(absl::StrCat("{\"prompt\":", json, "}"), false).param,
              "prompt")
        << json;
  }
}

TEST(CompletionRequestTest, LogprobsOfTextAreANumber) {
  EXPECT_EQ(
      Parsed(R"({"prompt":"a","logprobs":2})", false).generate.top_logprobs,
      2u);
  EXPECT_EQ(Refused(R"({"prompt":"a","logprobs":true})", false).param,
            "logprobs");
}

TEST(CompletionRequestTest, WhatChangesNothingIsIgnored) {
  Parsed(Chat(R"("user":"ada","metadata":{},"n":1,"tools":[],"logit_bias":{},
                 "presence_penalty":0,"frequency_penalty":0.0,"functions":null,
                 "response_format":{"type":"text"},"modalities":["text"],
                 "store":false,"parallel_tool_calls":true,"whatever":[1])"));
}

TEST(CompletionRequestTest, WhatWouldChangeTheMeaningIsRefusedByName) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{
           {"n", "2"},
           {"tools", R"([{"type":"function"}])"},
           {"functions", R"([{"name":"f"}])"},
           {"logit_bias", R"({"5":1})"},
           {"presence_penalty", "0.5"},
           {"frequency_penalty", "-1"},
           {"response_format", R"({"type":"json_object"})"},
           {"modalities", R"(["audio"])"},
           {"best_of", "3"},
           {"echo", "true"},
           {"suffix", R"("x")"}}) {
    const ApiError error =
        Refused(Chat(absl::StrCat("\"", name, "\":", value)));
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.param, name);
    EXPECT_EQ(error.code, "unsupported_parameter") << name;
    EXPECT_THAT(error.message, HasSubstr(name));
  }
}

TEST(CompletionRequestTest, ValuesOutOfRangeNameFieldAndRange) {
  for (const auto& [field, part] :
       std::vector<std::pair<std::string, std::string>>{
           {R"("temperature":2.1)", "from 0 to 2"},
           {R"("temperature":"1")", "is a string"},
           {R"("top_p":-0.1)", "from 0 to 1"},
           {R"("max_tokens":0)", "from 1 to"},
           {R"("max_tokens":1.5)", "whole number"},
           {R"("seed":1e30)", "whole number"},
           {R"("seed":18446744073709551615)", "whole number"},
           {R"("stream":1)", "true or false"},
           {R"("model":7)", "must be a string"},
           {R"("stop":[1])", "where a string must be"},
           {R"("stop":"")", "1 to 1024"},
           {R"("stream_options":{"include_usage":true})", "\"stream\": true"},
           {R"("stream":true,"stream_options":7)", "must be an object"},
           {R"("top_logprobs":1)", "needs \"logprobs\": true"},
           {R"("logprobs":true,"top_logprobs":21)", "from 0 to 20"}}) {
    const ApiError error = Refused(Chat(field));
    EXPECT_EQ(error.status, 400);
    EXPECT_THAT(error.message, HasSubstr(part)) << field;
    EXPECT_THAT(field, HasSubstr(error.param));
  }
}

TEST(CompletionRequestTest, MessagesAreCheckedOneByOne) {
  for (const auto& [messages, where] :
       std::vector<std::pair<std::string, std::string>>{
           {"7", "messages"},
           {"[]", "messages"},
           {"[7]", "messages[0]"},
           {R"([{"role":"tool","content":"x"}])", "messages[0].role"},
           {R"([{"content":"x"}])", "messages[0].role"},
           {R"([{"role":"user","content":"x"},{"role":"user"}])",
            "messages[1].content"},
           {R"([{"role":"user","content":7}])", "messages[0].content"},
           {R"([{"role":"user","content":[{"type":"image_url"}]}])",
            "messages[0].content"},
           {R"([{"role":"user","content":[{"type":"text"}]}])",
            "messages[0].content"},
           {R"([{"role":"user","content":["x"]}])", "messages[0].content"},
           {R"([{"role":"assistant","content":"x","tool_calls":[{}]}])",
            "messages[0]"}}) {
    EXPECT_EQ(Refused(absl::StrCat("{\"messages\":", messages, "}")).param,
              where)
        << messages;
  }
}

TEST(CompletionRequestTest, WhatIsNoJsonSaysWhere) {
  const ApiError error = Refused("{\"messages\": oops}");
  EXPECT_EQ(error.code, "invalid_json");
  EXPECT_THAT(error.message, HasSubstr("line 1, column 14"));
  EXPECT_EQ(Refused("[]").code, "invalid_json");
  EXPECT_EQ(Refused("").code, "invalid_json");
  EXPECT_EQ(Refused("{\"messages\":\"\xff\"}").code, "invalid_json");
  EXPECT_EQ(Refused(std::string(1 << 20, '[')).code, "request_too_large");
}

TEST(CompletionRequestTest, ABodyHasOnlySoManyValuesAndLevels) {
  CompletionRequest request;
  const auto code = [&](const std::string& prompt) -> std::string {
    const auto error = ParseTextRequest("{\"prompt\":" + prompt + "}", request);
    return error ? error->code : "";
  };
  const auto ids = [](size_t count) {
    std::string list = "[1";
    for (size_t i = 1; i < count; ++i) list += ",1";
    return list + "]";
  };
  EXPECT_EQ(code(ids(kBodyValuesMax - 1)), "");
  EXPECT_EQ(code(ids(kBodyValuesMax + 1)), "request_too_large");
  EXPECT_EQ(code(std::string(kBodyLevelsMax - 1, '[') +
                 std::string(kBodyLevelsMax - 1, ']')),
            "invalid_value");
  EXPECT_EQ(code(std::string(kBodyLevelsMax, '[')), "request_too_large");
  // Those in text are none.
  EXPECT_EQ(code("\"" + std::string(kBodyValuesMax + 1, ',') +
                 "\\\"[[[[[[[[[[" + "[[[[[[[[[[\""),
            "");
}

}  // namespace
}  // namespace shoal::http
