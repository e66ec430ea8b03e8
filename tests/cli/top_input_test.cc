#include "cli/top_input.h"

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "cli/watch_file.h"
#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

proto::WatchUpdate UpdateAt(int64_t time_ms) {
  proto::WatchUpdate update;
  update.mutable_snapshot()->set_time_unix_ms(time_ms);
  return update;
}

// Gives `count` updates and ends with `status`.
UpdateSource Counting(int64_t count, absl::Status status) {
  return [=](const auto& on_update, const auto&) -> absl::Status {
    for (int64_t i = 1; i <= count; ++i) {
      if (!on_update(UpdateAt(i))) return absl::AbortedError("not wanted");
    }
    return status;
  };
}

// All times until the source ended, and how it did.
std::pair<std::vector<int64_t>, absl::Status> TakeAll(TopInput& input) {
  std::vector<int64_t> times;
  for (;;) {
    input.Wait(absl::InfiniteFuture());
    for (const auto& update : input.Take()) {
      times.push_back(update.snapshot().time_unix_ms());
    }
    if (const auto ended = input.ended()) return {times, *ended};
  }
}

TEST(TopInputTest, GivesAllUpdatesInOrderThenHowTheSourceEnded) {
  TopInput input(Counting(500, absl::DataLossError("broken")));
  const auto [times, status] = TakeAll(input);
  ASSERT_EQ(times.size(), 500u);
  for (size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(times[i], static_cast<int64_t>(i + 1));
  }
  EXPECT_TRUE(absl::IsDataLoss(status));
}

TEST(TopInputTest, ItsEndEndsASourceThatWaitsForRoom) {
  TopInput input(Counting(1'000'000, absl::OkStatus()));
  input.Wait(absl::InfiniteFuture());
}

TEST(TopInputTest, WhatIsRecordedIsReplayed) {
  testing::TemporaryFolder folder;
  const std::string path = folder.File("watch");
  {
    TopInput input(RecordingSource(Counting(5, absl::OkStatus()), path));
    EXPECT_TRUE(TakeAll(input).second.ok());
  }
  TopInput input(ReplaySource(path, true));
  const auto [times, status] = TakeAll(input);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(times, (std::vector<int64_t>{1, 2, 3, 4, 5}));
}

TEST(TopInputTest, AReplayTakesAsLongAsTheRecordingButForLongPauses) {
  testing::TemporaryFolder folder;
  const std::string path = folder.File("watch");
  {
    const auto writer = WatchFileWriter::Create(path);
    ASSERT_TRUE(writer.ok());
    // Also backwards, and beyond all time.
    for (const int64_t time :
         {int64_t{1000}, int64_t{1200}, int64_t{1}, INT64_MAX}) {
      ASSERT_TRUE((*writer)->Write(UpdateAt(time)).ok());
    }
  }
  const absl::Time begin = absl::Now();
  TopInput input(ReplaySource(path, false));
  EXPECT_EQ(TakeAll(input).first.size(), 4u);
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(1200));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(30));
}

TEST(TopInputTest, WhatCannotBeRecordedIsAnError) {
  TopInput input(RecordingSource(Counting(5, absl::OkStatus()), "/dev/full"));
  const auto [times, status] = TakeAll(input);
  EXPECT_TRUE(times.empty());
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace shoal::cli
