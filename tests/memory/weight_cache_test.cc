#include "memory/weight_cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <latch>

#include "gtest/gtest.h"
#include "memory/resident_set.h"
#include "tests/memory/test_share.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kKiB = base::kKiB;

std::vector<uint64_t> SomeUnits() {
  std::vector<uint64_t> bytes;
  for (uint64_t i = 0; i < 24; ++i) {
    bytes.push_back(5000 + (i * 7919) % 20000);
  }
  return bytes;
}

void CheckBytes(const TestShare& share, uint32_t index, const std::byte* data) {
  const auto expected = share.Unit(share.entries[index]);
  ASSERT_EQ(std::memcmp(data, expected.data(), expected.size()), 0)
      << "entry " << index;
}

// Takes all entries from first to last, at most `count_max` at a time.
void RunPass(const TestShare& share, WeightCache& cache, uint32_t count_max) {
  std::vector<const std::byte*> data(count_max);
  for (uint32_t at = 0; at < cache.entry_count();) {
    const auto count =
        cache.Acquire(at, count_max, data, absl::InfiniteFuture());
    ASSERT_TRUE(count.ok()) << count.status();
    ASSERT_GE(*count, 1u);
    ASSERT_LE(*count, count_max);
    for (uint32_t i = 0; i < *count; ++i) CheckBytes(share, at + i, data[i]);
    cache.Release(at, *count);
    at += *count;
  }
}

TEST(WeightCacheTest, EveryBudgetGivesTheSameBytesAndReadsShareMinusResident) {
  for (int percent = 0; percent <= 100; percent += 10) {
    TestShare share(SomeUnits(), {5, 17});
    std::vector<uint64_t> padded;
    for (const CacheEntry& e : share.entries) padded.push_back(PaddedBytes(e));
    const std::vector<bool> resident =
        ChooseResidents(padded, share.padded_bytes * percent / 100);
    uint64_t resident_bytes = 0;
    for (size_t i = 0; i < resident.size(); ++i) {
      share.entries[i].resident = resident[i];
      if (resident[i]) resident_bytes += padded[i];
    }
    const uint64_t window =
        *std::max_element(padded.begin(), padded.end()) * (1 + percent % 30);
    uint64_t streamed = 0;
    constexpr uint64_t kPasses = 4;
    {
      auto cache = WeightCache::Create({.window_bytes = window}, *share.file,
                                       share.entries);
      ASSERT_TRUE(cache.ok()) << cache.status();
      EXPECT_EQ((*cache)->resident_bytes(), resident_bytes);
      EXPECT_EQ((*cache)->counters().load_bytes, resident_bytes);
      streamed = (*cache)->streamed_bytes();
      EXPECT_EQ(streamed, share.padded_bytes - resident_bytes);
      for (uint64_t pass = 0; pass < kPasses; ++pass) {
        RunPass(share, **cache, 3);
      }
      EXPECT_GE((*cache)->counters().bytes_read, kPasses * streamed);
      EXPECT_EQ((*cache)->counters().consumed_bytes, kPasses * streamed);
    }
    // From outside: what the passes took, and at most a window ahead of them.
    uint64_t read = 0;
    for (const auto& request : share.file->requests()) read += request.bytes;
    EXPECT_GE(read, resident_bytes + kPasses * streamed);
    EXPECT_LE(read, resident_bytes + kPasses * streamed +
                        (streamed > 0 ? window : 0));
  }
}

TEST(WeightCacheTest, ReadsEveryStreamedUnitOnceACycleToTheByte) {
  TestShare share({9000, 9000, 9000, 9000});
  share.entries[2].resident = true;
  // Room for one unit: the reader is never ahead of what is released.
  auto cache = WeightCache::Create({.window_bytes = 12 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 1> data;
  uint64_t before = 0;
  for (int pass = 0; pass < 5; ++pass) {
    for (uint32_t i = 0; i < 4; ++i) {
      ASSERT_TRUE((*cache)->Acquire(i, 1, data, absl::InfiniteFuture()).ok());
      if (i == 0) {
        // Unit 0 fills the window, so nothing else is being read now.
        const uint64_t read = (*cache)->counters().bytes_read;
        if (pass > 0) {
          EXPECT_EQ(read - before, 3 * 12 * kKiB);
        }
        before = read;
      }
      (*cache)->Release(i, 1);
    }
  }
}

TEST(WeightCacheTest, FullyResidentReadsNothingAndGivesTheSameMemoryEachPass) {
  TestShare share(SomeUnits());
  for (CacheEntry& entry : share.entries) entry.resident = true;
  auto cache = WeightCache::Create({}, *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  const size_t requests = share.file->requests().size();
  EXPECT_EQ(requests, 1u) << "one run of units is one request";
  std::vector<const std::byte*> first(share.entries.size());
  std::vector<const std::byte*> second(share.entries.size());
  const auto entry_count = static_cast<uint32_t>(share.entries.size());
  for (auto* data : {&first, &second}) {
    const auto count =
        (*cache)->Acquire(0, entry_count, *data, absl::InfinitePast());
    ASSERT_TRUE(count.ok()) << count.status();
    EXPECT_EQ(*count, entry_count);
    for (uint32_t i = 0; i < entry_count; ++i) CheckBytes(share, i, (*data)[i]);
    (*cache)->Release(0, *count);
  }
  EXPECT_EQ(first, second);
  EXPECT_EQ(share.file->requests().size(), requests);
  EXPECT_EQ((*cache)->counters().bytes_read, 0);
}

TEST(WeightCacheTest, AcquireWaitsForTheFirstUnitOnly) {
  std::latch go_on(1);
  // The third unit is held back; a hole before it makes it a request of its
  // own.
  TestShare cut({8000, 8000, 8000, 8000}, {2});
  cut.file->set_hook([&](uint64_t offset, std::span<std::byte>) {
    if (offset == cut.entries[2].offset) go_on.wait();
    return absl::OkStatus();
  });
  auto cache =
      WeightCache::Create({.window_bytes = 64 * kKiB, .reads_in_flight = 1},
                          *cut.file, cut.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 4> data;
  const auto count = (*cache)->Acquire(0, 4, data, absl::InfiniteFuture());
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_LE(*count, 2u);
  if (*count == 1) {
    ASSERT_TRUE((*cache)->Acquire(1, 1, data, absl::InfiniteFuture()).ok());
  }
  const auto late = (*cache)->Acquire(2, 2, data, absl::InfinitePast());
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(late.status().message().find("unit 102"), std::string::npos);
  go_on.count_down();
  const auto third = (*cache)->Acquire(2, 2, data, absl::InfiniteFuture());
  ASSERT_TRUE(third.ok()) << third.status();
  CheckBytes(cut, 2, data[0]);
  EXPECT_GT((*cache)->counters().stall, absl::ZeroDuration());
}

TEST(WeightCacheTest, UnitsBehindEachOtherAreReadWithOneLargeRequest) {
  TestShare share(std::vector<uint64_t>(32, 16 * kKiB), {16});
  auto cache = WeightCache::Create({.window_bytes = 32 * 16 * kKiB,
                                    .read_bytes_max = 128 * kKiB,
                                    .reads_in_flight = 1},
                                   *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 1> data;
  for (uint32_t i = 0; i < 32; ++i) {
    ASSERT_TRUE((*cache)->Acquire(i, 1, data, absl::InfiniteFuture()).ok());
  }
  // All units are pinned and fill the window, so these are all requests.
  const auto requests = share.file->requests();
  EXPECT_EQ(requests.size(), 4u);
  for (const auto& request : requests) EXPECT_EQ(request.bytes, 128 * kKiB);
}

TEST(WeightCacheTest, AUnitLargerThanARequestIsReadInSeveral) {
  TestShare share({100 * kKiB, 100 * kKiB});
  auto cache = WeightCache::Create(
      {.window_bytes = 100 * kKiB, .read_bytes_max = 32 * kKiB}, *share.file,
      share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  RunPass(share, **cache, 1);
  for (const auto& request : share.file->requests()) {
    EXPECT_LE(request.bytes, 32 * kKiB);
  }
}

TEST(WeightCacheTest, RestartInTheMiddleBeginsTheNextPassAtEntryZero) {
  TestShare share(SomeUnits());
  share.entries[3].resident = true;
  auto cache = WeightCache::Create({.window_bytes = 100 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::vector<const std::byte*> data(2);
  for (uint32_t stop = 0; stop < share.entries.size(); ++stop) {
    for (uint32_t i = 0; i < stop; ++i) {
      ASSERT_TRUE((*cache)->Acquire(i, 1, data, absl::InfiniteFuture()).ok());
      if (i + 1 < stop) (*cache)->Release(i, 1);  // the last stays pinned
    }
    (*cache)->Restart();
    RunPass(share, **cache, 2);
  }
}

TEST(WeightCacheTest, SkippedUnitsAreNotReadWhenTheReaderHasNotComeToThem) {
  TestShare share({8000, 8000, 8000, 8000});
  // Room for one unit, which is pinned when the next are skipped.
  auto cache =
      WeightCache::Create({.window_bytes = 8 * kKiB, .reads_in_flight = 1},
                          *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 1> data;
  ASSERT_TRUE((*cache)->Acquire(0, 1, data, absl::InfiniteFuture()).ok());
  (*cache)->Skip(1, 2);
  (*cache)->Release(0, 1);
  ASSERT_TRUE((*cache)->Acquire(3, 1, data, absl::InfiniteFuture()).ok());
  CheckBytes(share, 3, data[0]);
  EXPECT_EQ(share.file->requests().size(), 2u);
  (*cache)->Release(3, 1);
  RunPass(share, **cache, 1);
}

TEST(WeightCacheTest, UnitsThatWereReadAheadCanBeSkipped) {
  TestShare share({8000, 8000, 8000, 8000});
  auto cache = WeightCache::Create({.window_bytes = 64 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 1> data;
  ASSERT_TRUE((*cache)->Acquire(0, 1, data, absl::InfiniteFuture()).ok());
  (*cache)->Skip(1, 3);
  (*cache)->Release(0, 1);
  for (int pass = 0; pass < 3; ++pass) RunPass(share, **cache, 1);
}

TEST(WeightCacheTest, AUnitAloneIsReadAheadForTheNextPass) {
  TestShare share({8000});
  auto cache = WeightCache::Create({.window_bytes = 16 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 1> data;
  ASSERT_TRUE((*cache)->Acquire(0, 1, data, absl::InfiniteFuture()).ok());
  const std::byte* const first = data[0];
  // Still pinned: the second copy lies elsewhere.
  ASSERT_TRUE((*cache)->Acquire(0, 1, data, absl::InfiniteFuture()).ok());
  EXPECT_NE(first, data[0]);
  CheckBytes(share, 0, data[0]);
}

TEST(WeightCacheTest, NoEntriesNeedNothing) {
  testing::FakeFile file({});
  auto cache = WeightCache::Create({}, file, {});
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ((*cache)->entry_count(), 0u);
  (*cache)->Restart();
}

TEST(WeightCacheDeathTest, StreamedUnitsOutOfOrderAreABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // there are readers
  TestShare share({8000, 8000});
  auto cache = WeightCache::Create({.window_bytes = 64 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 1> data;
  EXPECT_DEATH((*cache)
                   ->Acquire(1, 1, data, absl::InfinitePast())
                   .status()
                   .IgnoreError(),
               "out of order");
  EXPECT_DEATH((*cache)->Release(0, 1), "none is acquired");
}

}  // namespace
}  // namespace shoal::memory
