#include "model/stop_matcher.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/utf8.h"

namespace shoal::model {
namespace {

using ::testing::HasSubstr;
using Stops = std::vector<std::string>;

StopMatcher Create(const Stops& stops) {
  auto matcher = StopMatcher::Create(stops);
  EXPECT_TRUE(matcher.ok()) << matcher.status();
  return *std::move(matcher);
}

struct Outcome {
  std::string text;
  bool stopped = false;
  bool operator==(const Outcome&) const = default;
};

// By the definition: looks at each beginning of the text in turn.
Outcome Expected(const Stops& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end &&
          text.compare(end - stop.size(), stop.size(), stop) == 0) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

// Cut after byte n where bit n - 1 of `cuts` is set.
Outcome RunCut(const Stops& stops, const std::string& text, uint64_t cuts) {
  StopMatcher matcher = Create(stops);
  Outcome outcome;
  size_t from = 0;
  for (size_t end = 1; end <= text.size(); ++end) {
    if (end < text.size() && (cuts >> (end - 1) & 1) == 0) continue;
    matcher.Feed(absl::string_view(text).substr(from, end - from),
                 outcome.text);
    from = end;
  }
  matcher.Flush(outcome.text);
  outcome.stopped = matcher.stopped();
  return outcome;
}

TEST(StopMatcherTest, FindsTheSameWhateverTheCuts) {
  const struct {
    Stops stops;
    std::string text;
  } cases[] = {
      {{}, "plain text"},         {{"STOP"}, "go on STOP now"},
      {{"STOP"}, "almost STO"},   {{"\n\n", "User:"}, "hi\nUse\n\nrest"},
      {{"aab"}, "aaaabx"},         // falls back within the stop string
      {{"abcd", "bc"}, "xabcdx"},  // the one that ends first
      {{"cd", "abcd"}, "xabcdx"},  // of two that end together, the longer
      {{"ababc"}, "abababcab"},    // overlaps itself
      {{"好!"}, "你好好!x"},
  };
  for (const auto& [stops, text] : cases) {
    const Outcome expected = Expected(stops, text);
    ASSERT_LE(text.size(), 16u);
    for (uint64_t cuts = 0; cuts < uint64_t{1} << (text.size() - 1); ++cuts) {
      ASSERT_EQ(RunCut(stops, text, cuts), expected) << text << " " << cuts;
    }
  }
}

TEST(StopMatcherTest, FindsTheSameInRandomTextOfFewLetters) {
  std::mt19937 random(7);
  const auto word = [&](size_t bytes_max) {
    std::string text(1 + random() % bytes_max, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 3000; ++round) {
    Stops stops;
    for (size_t idx = 0; idx <= random() % 3; ++idx) stops.push_back(word(7));
    const std::string text = word(40);
    ASSERT_EQ(RunCut(stops, text, random()), Expected(stops, text)) << text;
  }
}

TEST(StopMatcherTest, HoldsBackOnlyWhatCouldBecomeAStopString) {
  StopMatcher matcher = Create({"STOP"});
  std::string out;
  matcher.Feed("an ST", out);
  EXPECT_EQ(out, "an ");
  matcher.Feed("R", out);
  EXPECT_EQ(out, "an STR");
  matcher.Feed("STO", out);
  EXPECT_EQ(out, "an STR");
  matcher.Flush(out);
  EXPECT_EQ(out, "an STRSTO");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcherTest, SaysNothingMoreOnceStopped) {
  StopMatcher matcher = Create({"x"});
  std::string out;
  matcher.Feed("axb", out);
  matcher.Feed("c", out);
  matcher.Flush(out);
  EXPECT_EQ(out, "a");
  EXPECT_TRUE(matcher.stopped());
}

TEST(StopMatcherTest, WholeCharactersGoInAndComeOut) {
  // "é" and "è" share their first byte.
  StopMatcher matcher = Create({"éa"});
  std::string out;
  for (const char* text : {"è", "é", "é", "b"}) {
    matcher.Feed(text, out);
    EXPECT_TRUE(IsValidUtf8(out)) << out;
  }
  EXPECT_EQ(out, "èééb");
}

TEST(StopMatcherTest, RefusesStringsThatCannotBeMatched) {
  const std::string long_stop(StopMatcher::kStopBytesMax + 1, 'a');
  for (const std::string& stop :
       {std::string(), long_stop, std::string("\x80")}) {
    const absl::Status status = StopMatcher::Create({"ok", stop}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("string 1"));
  }
  const Stops many(StopMatcher::kStopCountMax + 1, "a");
  EXPECT_THAT(std::string(StopMatcher::Create(many).status().message()),
              HasSubstr("at most 16"));
}

}  // namespace
}  // namespace shoal::model
