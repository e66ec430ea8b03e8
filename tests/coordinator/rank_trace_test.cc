#include "coordinator/rank_trace.h"

#include <vector>

#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

// A device whose clock is ahead, at the end of a link whose answers take more
// or less long. Time goes by on the link only.
class Device {
 public:
  Device(int64_t ahead_ns, std::vector<int64_t> to_ns,
         std::vector<int64_t> back_ns, size_t event_count)
      : ahead_ns_(ahead_ns),
        to_ns_(std::move(to_ns)),
        back_ns_(std::move(back_ns)) {
    for (size_t i = 0; i < event_count; ++i) {
      events_.push_back({.begin_ns = static_cast<int64_t>(1000 * i) + ahead_ns_,
                         .duration_ns = 10,
                         .count = static_cast<uint32_t>(i)});
    }
  }

  std::optional<RemoteWorker::TraceAnswer> Ask(uint64_t first,
                                               uint32_t count_max) {
    if (asked_ >= answers_max) return std::nullopt;
    now_ns_ += to_ns_[asked_ % to_ns_.size()];
    RemoteWorker::TraceAnswer answer;
    answer.clock_ns = now_ns_ + ahead_ns_;
    for (uint64_t i = first; i < events_.size() && i < first + count_max; ++i) {
      answer.part.events.push_back(events_[i]);
    }
    answer.part.total = events_.size();
    answer.part.dropped = 3;
    now_ns_ += back_ns_[asked_ % back_ns_.size()];
    ++asked_;
    return answer;
  }

  std::optional<RankTrace> Collect() {
    return CollectTrace(
        [this](uint64_t first, uint32_t count) { return Ask(first, count); },
        [this] { return now_ns_; });
  }

  size_t answers_max = 1000;

 private:
  const int64_t ahead_ns_;
  const std::vector<int64_t> to_ns_;
  const std::vector<int64_t> back_ns_;
  std::vector<base::TraceEvent> events_;
  int64_t now_ns_ = 1'000'000;
  size_t asked_ = 0;
};

TEST(CollectTraceTest, EventsComeOnTheCoordinatorsClock) {
  Device device(5'000'000'000, {200'000}, {200'000}, 3);
  const auto trace = device.Collect();
  ASSERT_TRUE(trace);
  ASSERT_EQ(trace->events.size(), 3u);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(trace->events[i].begin_ns, 1000 * i);
    EXPECT_EQ(trace->events[i].duration_ns, 10);
  }
  EXPECT_EQ(trace->dropped, 3u);
}

TEST(CollectTraceTest, TheShortestRoundTripSetsTheClock) {
  // Most ways back are held up: only one round trip tells the truth.
  Device device(-7'000'000, {100, 100, 100, 100}, {9000, 100, 50'000, 9000}, 1);
  const auto trace = device.Collect();
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->events[0].begin_ns, 0);
  EXPECT_EQ(trace->clock_error, absl::Nanoseconds(100));
}

TEST(CollectTraceTest, TheErrorIsAtMostHalfTheRoundTripWhicheverWayIsSlow) {
  for (const bool back_is_slow : {false, true}) {
    Device device(123'456'789, {back_is_slow ? 10 : 4000},
                  {back_is_slow ? 4000 : 10}, 1);
    const auto trace = device.Collect();
    ASSERT_TRUE(trace);
    EXPECT_LE(absl::Nanoseconds(std::abs(trace->events[0].begin_ns)),
              trace->clock_error);
  }
}

TEST(CollectTraceTest, LongTracesComeInParts) {
  Device device(0, {1}, {1}, 20'000);
  const auto trace = device.Collect();
  ASSERT_TRUE(trace);
  ASSERT_EQ(trace->events.size(), 20'000u);
  for (uint32_t i = 0; i < 20'000; ++i) {
    ASSERT_EQ(trace->events[i].count, i);
  }
}

TEST(CollectTraceTest, ADeviceThatNeverEndsIsCutOff) {
  const auto trace = CollectTrace(
      [](uint64_t, uint32_t count_max) {
        RemoteWorker::TraceAnswer answer;
        answer.part.events.resize(count_max);
        return std::make_optional(answer);
      },
      [] { return int64_t{0}; });
  ASSERT_TRUE(trace);
  EXPECT_LE(trace->events.size(), 2 * parallel::kTraceEventCountMax);
}

TEST(CollectTraceTest, ADeviceThatFallsSilentHasNone) {
  for (const size_t answers : {0, 5, 9}) {
    Device device(0, {1}, {1}, 20'000);
    device.answers_max = answers;
    EXPECT_FALSE(device.Collect()) << answers;
  }
}

}  // namespace
}  // namespace shoal::coordinator
