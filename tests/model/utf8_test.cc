#include "model/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace shoal::model {
namespace {

using State = Utf8Step::State;

TEST(Utf8Test, EveryCodePointComesBackAsItWasWritten) {
  for (char32_t code = 0; code <= 0x10ffff; ++code) {
    if (code == 0xd800) code = 0xe000;  // surrogates
    std::string text;
    AppendUtf8(code, text);
    const Utf8Step step = StepUtf8(text);
    ASSERT_EQ(step.state, State::kCharacter) << uint32_t{code};
    ASSERT_EQ(step.bytes, text.size()) << uint32_t{code};
    ASSERT_EQ(uint32_t{step.code}, uint32_t{code});
    // Each proper beginning could still become this character.
    for (size_t bytes = 1; bytes < text.size(); ++bytes) {
      const Utf8Step part = StepUtf8(absl::string_view(text).substr(0, bytes));
      ASSERT_EQ(part.state, State::kUnfinished) << uint32_t{code};
      ASSERT_EQ(part.bytes, bytes) << uint32_t{code};
    }
  }
}

TEST(Utf8Test, AnInvalidStepIsTheLongestBeginningOfACharacter) {
  const struct {
    absl::string_view text;
    size_t bytes;
  } cases[] = {
      {"\x80", 1},              // continues nothing
      {"\xc0\xaf", 1},          // overlong
      {"\xe0\x80\x80", 1},      // overlong
      {"\xed\xa0\x80", 1},      // surrogate
      {"\xf4\x90\x80\x80", 1},  // above U+10FFFF
      {"\xf5\x80\x80\x80", 1},  // begins nothing
      {"\xff", 1},
      {"\xc3(", 1},
      {"\xe4\xbd ", 2},
      {"\xf0\x9f\x98 ", 3},
  };
  for (const auto& [text, bytes] : cases) {
    const Utf8Step step = StepUtf8(text);
    EXPECT_EQ(step.state, State::kInvalid) << text;
    EXPECT_EQ(step.bytes, bytes) << text;
  }
}

// The example of the Unicode standard, section 3.9 (U+FFFD substitution).
TEST(Utf8Test, ReplacesAsTheUnicodeStandardRecommends) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xf1\x80\x80\xe1\x80\xc2"
                               "b\x80"
                               "c\x80\xbf"
                               "d"),
            "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
            "b\xef\xbf\xbd"
            "c\xef\xbf\xbd\xef\xbf\xbd"
            "d");
  EXPECT_EQ(ReplaceInvalidUtf8("caf\xc3"), "caf\xef\xbf\xbd");
  EXPECT_FALSE(IsValidUtf8("caf\xc3"));
  EXPECT_TRUE(IsValidUtf8("caf\xc3\xa9"));
}

}  // namespace
}  // namespace shoal::model
