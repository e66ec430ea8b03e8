#include "base/log_ring.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::base {
namespace {

TEST(LogRingTest, LinesAreNumberedAndReadFromANumberOn) {
  LogRing ring;
  ring.Add(LogLevel::kInfo, "one");
  ring.Add(LogLevel::kWarning, "two");
  ring.Add(LogLevel::kDebug, "not kept");
  ring.Add(LogLevel::kInfo, "three\nin one line");
  LogRing::Part part = ring.Read(0, LogLevel::kInfo, 100);
  ASSERT_EQ(part.records.size(), 3u);
  EXPECT_EQ(part.records[0].text, "one");
  EXPECT_EQ(part.records[2].number, 2u);
  EXPECT_EQ(part.records[2].text, "three in one line");
  EXPECT_EQ(part.next, 3u);
  EXPECT_GE(part.records[2].time_ns, part.records[0].time_ns);
  EXPECT_TRUE(ring.Read(3, LogLevel::kInfo, 100).records.empty());

  part = ring.Read(0, LogLevel::kWarning, 100);
  ASSERT_EQ(part.records.size(), 1u);
  EXPECT_EQ(part.records[0].text, "two");
}

TEST(LogRingTest, APartIsNoLongerThanAskedForAndTheNextGoesOn) {
  LogRing ring;
  for (int i = 0; i < 5; ++i) ring.Add(LogLevel::kInfo, absl::StrCat(i));
  LogRing::Part part = ring.Read(0, LogLevel::kInfo, 2);
  ASSERT_EQ(part.records.size(), 2u);
  EXPECT_EQ(part.next, 2u);
  part = ring.Read(part.next, LogLevel::kInfo, 3);
  ASSERT_EQ(part.records.size(), 3u);
  EXPECT_EQ(part.records[0].text, "2");
  EXPECT_EQ(part.next, 5u);
}

TEST(LogRingTest, TheOldestGoWhenThereAreTooManyOrTheyAreTooLong) {
  LogRing ring;
  for (size_t i = 0; i < LogRing::kCountMax + 10; ++i) {
    ring.Add(LogLevel::kInfo, absl::StrCat(i));
  }
  LogRing::Part part = ring.Read(0, LogLevel::kInfo, SIZE_MAX);
  EXPECT_EQ(part.records.size(), LogRing::kCountMax);
  EXPECT_EQ(part.records[0].number, 10u);

  const std::string line(2 * LogRing::kLineBytesMax, 'x');
  for (size_t i = 0; i < LogRing::kCountMax; ++i) {
    ring.Add(LogLevel::kInfo, line);
  }
  part = ring.Read(0, LogLevel::kInfo, SIZE_MAX);
  EXPECT_EQ(part.records.size(), LogRing::kBytesMax / LogRing::kLineBytesMax);
  EXPECT_EQ(part.records[0].text.size(), LogRing::kLineBytesMax);
}

TEST(LogRingTest, AFilterSeesTheWholeLineBeforeItIsCut) {
  LogRing ring;
  ring.SetFilter([](absl::string_view text) {
    return absl::StrCat("filtered ", text.size());
  });
  ring.Add(LogLevel::kError, std::string(1000, 'x'));
  EXPECT_EQ(ring.Read(0, LogLevel::kInfo, 9).records[0].text, "filtered 1000");
}

TEST(LogRingTest, LinesThatAreNotPrintedAreKeptAllTheSame) {
  SetLogLevel(LogLevel::kOff);
  LogRing& ring = LogRing::OfProcess();
  const uint64_t before = ring.Read(0, LogLevel::kInfo, 0).next;
  SHOAL_LOG(kInfo, "kept ", 7);
  const LogRing::Part part = ring.Read(before, LogLevel::kInfo, 9);
  ASSERT_EQ(part.records.size(), 1u);
  EXPECT_EQ(part.records[0].text, "kept 7");
}

}  // namespace
}  // namespace shoal::base
