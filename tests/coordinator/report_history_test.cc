#include "coordinator/report_history.h"

#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000'000);

// After `tokens` tokens of 100 ms: 60 computing, 25 stalled, 5 and 10.
parallel::RankReport After(uint64_t tokens) {
  parallel::RankReport report;
  report.epoch = 1;
  report.decode_passes = tokens;
  const auto count = static_cast<int64_t>(tokens);
  report.compute = absl::Milliseconds(60) * count;
  report.stall = absl::Milliseconds(25) * count;
  report.exchange = absl::Milliseconds(5) * count;
  report.wait = absl::Milliseconds(10) * count;
  report.decode_read_bytes = 1000 * tokens;
  report.read_bytes = 1000 * tokens;
  report.sent_bytes = 10 * tokens;
  report.received_bytes = 20 * tokens;
  report.all.passes = tokens;
  report.all.compute = report.compute;
  report.all.stall = report.stall;
  report.all.exchange = report.exchange;
  report.all.wait = report.wait;
  report.all.sent_bytes = report.sent_bytes;
  report.all.received_bytes = report.received_bytes;
  return report;
}

TEST(ReportHistoryTest, NowIsOfTheLastSecondsAndTotalOfAll) {
  ReportHistory history;
  for (uint64_t second = 0; second <= 10; ++second) {
    parallel::RankReport report = After(10 * second);
    // From the sixth second on tokens stall twice as long.
    if (second > 5) {
      report.stall +=
          absl::Milliseconds(25) * static_cast<int64_t>(10 * (second - 5));
    }
    history.Add(kStart + absl::Seconds(static_cast<int64_t>(second)), report);
  }
  const absl::Time now = kStart + absl::Seconds(10);
  const auto means = history.TokenNow(now);
  ASSERT_TRUE(means.has_value());
  EXPECT_EQ(means->tokens, 20u);
  EXPECT_DOUBLE_EQ(means->compute_ms, 60);
  EXPECT_DOUBLE_EQ(means->stall_ms, 50);
  EXPECT_DOUBLE_EQ(means->exchange_ms, 5);
  EXPECT_DOUBLE_EQ(means->wait_ms, 10);
  EXPECT_DOUBLE_EQ(means->read_bytes, 1000);
  const auto total = history.TokenTotal();
  ASSERT_TRUE(total.has_value());
  EXPECT_EQ(total->tokens, 100u);
  EXPECT_DOUBLE_EQ(total->stall_ms, 37.5);
}

TEST(ReportHistoryTest, ATokenThatTakesLongIsSeenUntilTheNext) {
  ReportHistory history;
  history.Add(kStart, After(1));
  history.Add(kStart + absl::Seconds(12), After(2));
  for (int second = 13; second < 24; ++second) {
    history.Add(kStart + absl::Seconds(second), After(2));
    const auto means = history.TokenNow(kStart + absl::Seconds(second));
    ASSERT_TRUE(means.has_value());
    EXPECT_EQ(means->tokens, 1u);
  }
}

TEST(ReportHistoryTest, WithoutAPassForLongThereIsNoNow) {
  ReportHistory history;
  history.Add(kStart, After(0));
  history.Add(kStart + absl::Seconds(1), After(10));
  const absl::Time last = kStart + absl::Seconds(1) + ReportHistory::kNowMax;
  EXPECT_TRUE(history.TokenNow(last).has_value());
  EXPECT_FALSE(history.TokenNow(last + absl::Milliseconds(1)).has_value());
  EXPECT_TRUE(history.TokenTotal().has_value());
}

TEST(ReportHistoryTest, RatesAreOfTheTimeInWhichPassesRun) {
  ReportHistory history;
  history.Add(kStart, After(10));
  // Nothing ran for a while, then ten tokens: a second of work.
  history.Add(kStart + absl::Seconds(60), After(20));
  const absl::Time now = kStart + absl::Seconds(60);
  EXPECT_DOUBLE_EQ(history.Rates(now).read, 10'000);
  EXPECT_DOUBLE_EQ(history.Rates(now).sent, 100);
  EXPECT_DOUBLE_EQ(history.Rates(now).received, 200);
  EXPECT_EQ(history.Rates(now + absl::Seconds(4)).read, 0);
}

TEST(ReportHistoryTest, AnotherPlanBeginsAnew) {
  ReportHistory history;
  history.Add(kStart, After(100));
  parallel::RankReport report = After(0);
  report.epoch = 2;
  history.Add(kStart + absl::Seconds(1), report);
  EXPECT_FALSE(history.TokenNow(kStart + absl::Seconds(1)).has_value());
  EXPECT_FALSE(history.TokenTotal().has_value());
  EXPECT_EQ(history.Rates(kStart + absl::Seconds(1)).read, 0);
}

}  // namespace
}  // namespace shoal::coordinator
