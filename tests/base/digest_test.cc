#include "base/digest.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace shoal::base {
namespace {

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(DigestTest, IsXxh3OfSeedZero) {
  // Known values of XXH128 for no bytes and for "abc".
  EXPECT_EQ(ToString(DigestOf({})), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(ToString(DigestOf(Bytes("abc"))),
            "06b05ab6733a618578af5f94892f3950");
}

TEST(DigestTest, DoesNotDependOnHowTheBytesAreCut) {
  std::string text(1000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  for (const size_t step : {1, 13, 240, 999, 1000}) {
    DigestBuilder builder;
    for (size_t at = 0; at < text.size(); at += step) {
      builder.Add(Bytes(text).subspan(at, std::min(step, text.size() - at)));
    }
    EXPECT_EQ(builder.Finish(), DigestOf(Bytes(text))) << "step " << step;
  }
}

TEST(DigestTest, ResetForgetsWhatWasAdded) {
  DigestBuilder builder;
  builder.Add(Bytes("old"));
  builder.Reset();
  EXPECT_EQ(builder.Finish(), DigestOf({}));
  builder.Add(Bytes("abc"));
  EXPECT_EQ(builder.Finish(), DigestOf(Bytes("abc")));
}

}  // namespace
}  // namespace shoal::base
