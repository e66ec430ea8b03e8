#include "coordinator/event_log.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/simulated_clock.h"

namespace shoal::coordinator {
namespace {

TEST(EventLogTest, GivesWhatCameAfterANumberOldestFirst) {
  EventLog log;
  log.Add(Severity::kInfo, "pi4", "joined");
  log.Add(Severity::kError, "", "plan ended", "shoal nodes");
  const auto all = log.Since(0);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].text, "joined");
  EXPECT_EQ(all[1].command, "shoal nodes");
  const auto later = log.Since(all[0].number);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].text, "plan ended");
  EXPECT_TRUE(log.Since(later[0].number).empty());
}

TEST(EventLogTest, KeepsTheLastOnes) {
  EventLog log;
  for (size_t i = 0; i <= EventLog::kCountMax; ++i) {
    log.Add(Severity::kInfo, "", absl::StrCat("event ", i));
  }
  const auto all = log.Since(0);
  ASSERT_EQ(all.size(), EventLog::kCountMax);
  EXPECT_EQ(all.front().text, "event 1");
  EXPECT_EQ(all.front().number, 2u);
}

TEST(EventLogTest, ARepetitionIsNoNewsUntilAMinuteLater) {
  testing::SimulatedClock clock(1);
  EventLog log(&clock);
  log.Add(Severity::kWarning, "pi4", "refused: wrong token");
  log.Add(Severity::kWarning, "pi5", "refused: wrong token");
  log.Add(Severity::kWarning, "pi4", "refused: wrong token");
  EXPECT_EQ(log.Since(0).size(), 2u);
  clock.SleepFor(EventLog::kRepeatTime);
  log.Add(Severity::kWarning, "pi4", "refused: wrong token");
  EXPECT_EQ(log.Since(0).size(), 3u);
}

TEST(EventLogTest, AStrangersTextIsOneLineOfBoundedLength) {
  EventLog log;
  log.Add(Severity::kWarning, "a\x1b[2Jb",
          "first\nsecond" + std::string(EventLog::kTextBytesMax, 'x'));
  const auto all = log.Since(0);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].device, "a [2Jb");
  EXPECT_EQ(all[0].text.substr(0, 12), "first second");
  EXPECT_EQ(all[0].text.size(), EventLog::kTextBytesMax);
}

}  // namespace
}  // namespace shoal::coordinator
