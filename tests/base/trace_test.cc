#include "base/trace.h"

#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::base {
namespace {

TEST(TraceRecorderTest, KeepsTheFirstEventsAndCountsTheOthers) {
  TraceRecorder recorder(3);
  for (uint32_t i = 0; i < 5; ++i) recorder.Add({.count = i});
  const TraceRecorder::Part part = recorder.Copy(0, 10);
  ASSERT_EQ(part.events.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(part.events[i].count, i);
  EXPECT_EQ(part.total, 3u);
  EXPECT_EQ(part.dropped, 2u);
}

TEST(TraceRecorderTest, IsCopiedInParts) {
  TraceRecorder recorder(10);
  for (uint32_t i = 0; i < 5; ++i) recorder.Add({.count = i});
  const auto middle = recorder.Copy(1, 2);
  ASSERT_EQ(middle.events.size(), 2u);
  EXPECT_EQ(middle.events[0].count, 1u);
  EXPECT_EQ(middle.total, 5u);
  EXPECT_EQ(recorder.Copy(4, 9).events.size(), 1u);
  EXPECT_TRUE(recorder.Copy(5, 9).events.empty());
  EXPECT_TRUE(recorder.Copy(~uint64_t{0}, 9).events.empty());
}

TEST(TraceRecorderTest, ThreadsHaveNumbersOfTheirOwn) {
  constexpr uint32_t kThreads = 4, kEvents = 500;
  TraceRecorder recorder(kThreads * kEvents);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&recorder, t] {
      for (uint32_t i = 0; i < kEvents; ++i) recorder.Add({.count = t});
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::pair<uint32_t, uint16_t>> pairs;
  const TraceRecorder::Part part = recorder.Copy(0, kThreads * kEvents);
  EXPECT_EQ(part.events.size(), kThreads * kEvents);
  std::set<uint16_t> numbers;
  for (const TraceEvent& event : part.events) {
    pairs.insert({event.count, event.thread});
    numbers.insert(event.thread);
  }
  EXPECT_EQ(pairs.size(), kThreads);
  EXPECT_EQ(numbers.size(), kThreads);
}

TEST(TraceScopeTest, RecordsFromItsBeginningToItsEndIfThereIsARecorder) {
  { const TraceScope nothing(nullptr, {}); }
  TraceRecorder recorder(2);
  {
    const TraceScope outer(&recorder, {.kind = TraceKind::kPass});
    const TraceScope inner(&recorder, {.kind = TraceKind::kWait});
  }
  const auto events = recorder.Copy(0, 2).events;
  ASSERT_EQ(events.size(), 2u);
  const TraceEvent& inner = events[0];
  const TraceEvent& outer = events[1];
  EXPECT_EQ(inner.kind, TraceKind::kWait);
  EXPECT_GE(inner.begin_ns, outer.begin_ns);
  EXPECT_LE(inner.begin_ns + inner.duration_ns,
            outer.begin_ns + outer.duration_ns);
}

}  // namespace
}  // namespace shoal::base
