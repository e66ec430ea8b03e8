#include "base/byte_size.h"

#include <gtest/gtest.h>

#include <string>

namespace shoal::base {
namespace {

TEST(ByteSizeTest, ReadsWhatPeopleWrite) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"0", 0},
      {"4096", 4096},
      {"300 MiB", 300 * kMiB},
      {"1.5GiB", kGiB + kGiB / 2},
      {"2k", 2 * kKiB},
      {"2KB", 2000},
      {"1tib", kGiB * 1024},
      {"12 B", 12},
      {"9223372036854775807", INT64_MAX},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = ParseByteSize(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ByteSizeTest, RefusesEverythingElse) {
  for (const char* text :
       {"", " ", "MiB", "-1", "1 MiBs", "1 2", "0x10", "1.2.3 MiB", "nan",
        "9223372036854775808", "8388608 TiB", "1e30"}) {
    const auto parsed = ParseByteSize(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(ByteSizeTest, WritesAtMostOneDecimal) {
  EXPECT_EQ(FormatByteSize(0), "0 B");
  EXPECT_EQ(FormatByteSize(512), "512 B");
  EXPECT_EQ(FormatByteSize(4 * kKiB), "4 KiB");
  EXPECT_EQ(FormatByteSize(kGiB + kGiB / 2), "1.5 GiB");
  EXPECT_EQ(FormatByteSize(5000 * kGiB), "4.9 TiB");
}

TEST(ByteSizeTest, AlignUpRoundsToTheNextMultiple) {
  EXPECT_EQ(AlignUp(0, 4096), 0u);
  EXPECT_EQ(AlignUp(1, 4096), 4096u);
  EXPECT_EQ(AlignUp(4096, 4096), 4096u);
  EXPECT_EQ(AlignUp(7, 3), 9u);
}

}  // namespace
}  // namespace shoal::base
