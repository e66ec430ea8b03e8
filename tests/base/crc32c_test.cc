#include "base/crc32c.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::base {
namespace {

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Crc32cTest, GivesThePublishedValues) {
  // RFC 3720, appendix B.4, and the usual check value.
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(Crc32cTest, TableAgreesWithTheInstructionAtEveryLengthAndOffset) {
  std::mt19937 random(1);
  // Beyond several steps of three runs, long and short.
  std::string text(9000, '\0');
  for (char& c : text) c = static_cast<char>(random());
  for (size_t offset = 0; offset < 9; ++offset) {
    for (size_t length = 0; offset + length <= text.size();
         length += length < 1000 ? 7 : 131) {
      const auto part = Bytes(text).subspan(offset, length);
      ASSERT_EQ(Crc32c(part, 17), Crc32cTable(part, 17))
          << "offset " << offset << " length " << length;
    }
  }
}

TEST(Crc32cTest, PiecesGiveTheValueOfTheWhole) {
  const std::string text = "a message that comes in two pieces";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const uint32_t head = Crc32c(Bytes(text).first(cut));
    EXPECT_EQ(Crc32c(Bytes(text).subspan(cut), head), Crc32c(Bytes(text)));
  }
}

}  // namespace
}  // namespace shoal::base
