#include "parallel/pass.h"

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::parallel {
namespace {

using ::testing::HasSubstr;

Pass TwoRows() {
  Pass pass;
  pass.epoch = 0x0102030405060708;
  pass.number = 42;
  pass.rows = {{.session = 1,
                .first_position = 10,
                .token_count = 3,
                .truncate_to = 10,
                .logits_count = 1},
               {.session = 7,
                .first_position = 0,
                .token_count = 5,
                .truncate_to = 0,
                .logits_count = 5}};
  return pass;
}

std::string ErrorOf(const Pass& pass, uint32_t tokens = 100,
                    uint32_t positions = 100) {
  const auto decoded = DecodePass(EncodePass(pass), tokens, positions);
  EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(decoded.status().message());
}

TEST(PassTest, ComesBackAsItWas) {
  const Pass pass = TwoRows();
  const auto decoded = DecodePass(EncodePass(pass), 8, 13);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->epoch, pass.epoch);
  EXPECT_EQ(decoded->number, pass.number);
  ASSERT_EQ(decoded->rows.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(decoded->rows[i].session, pass.rows[i].session);
    EXPECT_EQ(decoded->rows[i].first_position, pass.rows[i].first_position);
    EXPECT_EQ(decoded->rows[i].token_count, pass.rows[i].token_count);
    EXPECT_EQ(decoded->rows[i].truncate_to, pass.rows[i].truncate_to);
    EXPECT_EQ(decoded->rows[i].logits_count, pass.rows[i].logits_count);
  }
  EXPECT_EQ(decoded->token_count(), 8u);
  EXPECT_EQ(decoded->logits_count(), 6u);
}

TEST(PassTest, RefusesEveryOtherLength) {
  std::vector<std::byte> bytes = EncodePass(TwoRows());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodePass(std::span(bytes).first(size), 100, 100).ok());
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(DecodePass(bytes, 100, 100).ok());
}

TEST(PassTest, RefusesMoreTokensThanThePlanAllows) {
  EXPECT_THAT(ErrorOf(TwoRows(), 7), HasSubstr("8 tokens; the plan allows 7"));
}

TEST(PassTest, RefusesAPositionPastTheContext) {
  EXPECT_THAT(ErrorOf(TwoRows(), 8, 12), HasSubstr("position 12"));
  Pass pass = TwoRows();
  pass.rows[0].first_position = pass.rows[0].truncate_to = 0xffffffff;
  EXPECT_THAT(ErrorOf(pass, 8, 0xffffffff), HasSubstr("position"));
}

TEST(PassTest, RefusesNoRowsAndTooMany) {
  Pass pass;
  EXPECT_THAT(ErrorOf(pass), HasSubstr("0 rows"));
  pass.rows.resize(kPassRowCountMax + 1, {.token_count = 1});
  EXPECT_THAT(ErrorOf(pass, 1 << 20), HasSubstr("4097 rows"));
}

TEST(PassTest, RefusesARowThatContradictsItself) {
  Pass pass = TwoRows();
  pass.rows[1].token_count = 0;
  pass.rows[1].logits_count = 0;
  EXPECT_THAT(ErrorOf(pass), HasSubstr("row 1 (session 7) has no tokens"));
  pass = TwoRows();
  pass.rows[0].truncate_to = 9;
  EXPECT_THAT(ErrorOf(pass), HasSubstr("cuts the KV to 9"));
  pass = TwoRows();
  pass.rows[0].logits_count = 4;
  EXPECT_THAT(ErrorOf(pass), HasSubstr("logits of 4 of its 3"));
}

TEST(PassTest, KeepsItsLimitsWhateverTheBytesSay) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 20000; ++trial) {
    std::vector<std::byte> bytes = EncodePass(TwoRows());
    for (int flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    const auto pass = DecodePass(bytes, 20, 30);
    if (!pass.ok()) continue;
    EXPECT_LE(pass->token_count(), 20u);
    for (const PassRow& row : pass->rows) {
      EXPECT_LE(uint64_t{row.first_position} + row.token_count, 30u);
      EXPECT_LE(row.logits_count, row.token_count);
    }
  }
}

}  // namespace
}  // namespace shoal::parallel
