#include <array>
#include <atomic>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/weight_cache.h"
#include "tests/memory/test_share.h"
#include "tests/testing/simulated_clock.h"

namespace shoal::memory {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kKiB = base::kKiB;

// Four units that one request would read together.
TestShare FourUnits() { return TestShare({8000, 8000, 8000, 8000}); }

void Flip(TestShare& share, uint32_t index) {
  share.file->content()[share.entries[index].offset + 1234] ^= std::byte{4};
}

absl::Status TakeAndRelease(TestShare& share, WeightCache& cache,
                            uint32_t index) {
  std::array<const std::byte*, 1> data;
  const auto count = cache.Acquire(index, 1, data, absl::InfiniteFuture());
  if (!count.ok()) return count.status();
  const auto expected = share.Unit(share.entries[index]);
  EXPECT_EQ(std::memcmp(data[0], expected.data(), expected.size()), 0);
  cache.Release(index, 1);
  return absl::OkStatus();
}

void RunPass(TestShare& share, WeightCache& cache) {
  for (uint32_t i = 0; i < cache.entry_count(); ++i) {
    EXPECT_EQ(TakeAndRelease(share, cache, i), absl::OkStatus()) << i;
  }
}

// Fails the first `count` reads that touch unit `index`.
testing::ReadHook FailReads(const TestShare& share, uint32_t index, int count) {
  const CacheEntry& entry = share.entries[index];
  auto left = std::make_shared<std::atomic<int>>(count);
  return [&entry, left](uint64_t offset, std::span<std::byte> bytes) {
    const bool touches = offset <= entry.offset &&
                         entry.offset < offset + bytes.size() && *left > 0;
    if (!touches) return absl::OkStatus();
    --*left;
    return absl::UnavailableError("input/output error");
  };
}

TEST(WeightCacheFaultTest, ADamagedUnitIsRepairedOnceAndThenIntact) {
  for (const bool resident : {false, true}) {
    TestShare share = FourUnits();
    for (CacheEntry& entry : share.entries) entry.resident = resident;
    Flip(share, 2);
    std::vector<uint32_t> repaired;
    auto cache = WeightCache::Create({.window_bytes = 64 * kKiB,
                                      .reads_in_flight = 1,
                                      .repair =
                                          [&](uint32_t unit_index) {
                                            repaired.push_back(unit_index);
                                            Flip(share, 2);
                                            return absl::OkStatus();
                                          }},
                                     *share.file, share.entries);
    ASSERT_TRUE(cache.ok()) << cache.status();
    for (int pass = 0; pass < 3; ++pass) RunPass(share, **cache);
    cache->reset();
    EXPECT_EQ(repaired, std::vector<uint32_t>{102});
  }
}

TEST(WeightCacheFaultTest, DamageWithoutRepairIsDataLossThatNamesThePlace) {
  TestShare share = FourUnits();
  Flip(share, 1);
  auto cache = WeightCache::Create({.window_bytes = 64 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(TakeAndRelease(share, **cache, 0), absl::OkStatus());
  const absl::Status status = TakeAndRelease(share, **cache, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("fake.bin"), HasSubstr("unit 101"),
                    HasSubstr("at 8192")));
  // Still there at the next try, and the pass may go on without it.
  EXPECT_EQ(TakeAndRelease(share, **cache, 1).code(),
            absl::StatusCode::kDataLoss);
  (*cache)->Skip(1, 1);
  EXPECT_EQ(TakeAndRelease(share, **cache, 2), absl::OkStatus());
}

TEST(WeightCacheFaultTest, ARepairThatFailsOrDoesNotHelpIsAnError) {
  TestShare share = FourUnits();
  share.entries[3].resident = true;
  Flip(share, 3);
  absl::Status answer = absl::UnavailableError("the coordinator is gone");
  const WeightCache::Options options = {
      .window_bytes = 64 * kKiB, .repair = [&](uint32_t) { return answer; }};
  EXPECT_EQ(WeightCache::Create(options, *share.file, share.entries).status(),
            answer);
  answer = absl::OkStatus();
  EXPECT_EQ(
      WeightCache::Create(options, *share.file, share.entries).status().code(),
      absl::StatusCode::kDataLoss);
}

TEST(WeightCacheFaultTest, ChecksumsCanBeLeftOut) {
  TestShare share = FourUnits();
  Flip(share, 1);
  auto cache = WeightCache::Create(
      {.window_bytes = 64 * kKiB, .verify_checksums = false}, *share.file,
      share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  RunPass(share, **cache);
  EXPECT_EQ((*cache)->counters().checksum, absl::ZeroDuration());
}

TEST(WeightCacheFaultTest, ChecksumsAreComparedOnTheFirstReadOnly) {
  TestShare share({8000});
  std::atomic<int> reads = 0;
  // What comes from the second read on is damaged; the file is not.
  share.file->set_hook([&](uint64_t, std::span<std::byte> bytes) {
    if (++reads > 1) bytes[77] ^= std::byte{1};
    return absl::OkStatus();
  });
  auto cache = WeightCache::Create({.window_bytes = 8 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(TakeAndRelease(share, **cache, 0), absl::OkStatus());
  std::array<const std::byte*, 1> data;
  ASSERT_TRUE((*cache)->Acquire(0, 1, data, absl::InfiniteFuture()).ok());
  EXPECT_NE(data[0][77], share.Unit(share.entries[0])[77]);
}

TEST(WeightCacheFaultTest, AFailedReadFailsOneAcquireAndNoOtherUnit) {
  TestShare share = FourUnits();
  // The request for all, then the one for the unit alone.
  // The request for all of them, and every attempt at this one.
  share.file->set_hook(FailReads(share, 2, 1 + UnitLoader::kReadAttempts));
  auto cache =
      WeightCache::Create({.window_bytes = 4 * 32 * kKiB, .reads_in_flight = 1},
                          *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(TakeAndRelease(share, **cache, 0), absl::OkStatus());
  EXPECT_EQ(TakeAndRelease(share, **cache, 1), absl::OkStatus());
  EXPECT_EQ(TakeAndRelease(share, **cache, 2),
            absl::UnavailableError("input/output error"));
  EXPECT_EQ(TakeAndRelease(share, **cache, 2), absl::OkStatus());
  EXPECT_EQ(TakeAndRelease(share, **cache, 3), absl::OkStatus());
  RunPass(share, **cache);
}

TEST(WeightCacheFaultTest, AReadThatFailsOnceOrTwiceIsMadeAgain) {
  for (const int count : {1, 2}) {
    // Alone in its request: a hole before and behind it.
    TestShare share({8000, 8000, 8000}, {1, 2});
    share.file->set_hook(FailReads(share, 1, count));
    auto cache =
        WeightCache::Create({.window_bytes = 64 * kKiB, .reads_in_flight = 1},
                            *share.file, share.entries);
    ASSERT_TRUE(cache.ok()) << cache.status();
    RunPass(share, **cache);
    RunPass(share, **cache);
  }
}

TEST(WeightCacheFaultTest, AFileThatEndsTooEarlyIsNotReadAgain) {
  TestShare share({8000, 8000, 8000}, {1, 2});
  std::atomic<int> attempts = 0;
  share.file->set_hook([&](uint64_t offset, std::span<std::byte>) {
    if (offset != share.entries[1].offset) return absl::OkStatus();
    ++attempts;
    return absl::OutOfRangeError("the file ends");
  });
  auto cache =
      WeightCache::Create({.window_bytes = 64 * kKiB, .reads_in_flight = 1},
                          *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(TakeAndRelease(share, **cache, 0), absl::OkStatus());
  EXPECT_EQ(TakeAndRelease(share, **cache, 1).code(),
            absl::StatusCode::kOutOfRange);
  cache->reset();
  EXPECT_LE(attempts, 2) << "one of Take(), one of its next call";
}

TEST(WeightCacheFaultTest, ADiskThatStopsAnsweringIsWaitedForUntilTheDeadline) {
  testing::SimulatedClock clock(2);  // this thread and the reader
  TestShare share = FourUnits();
  std::atomic<int> stops = 1;
  share.file->set_hook([&](uint64_t offset, std::span<std::byte> bytes) {
    const bool touches = offset + bytes.size() > share.entries[2].offset;
    if (touches && stops-- > 0) clock.SleepFor(absl::Seconds(10));
    return absl::OkStatus();
  });
  auto cache = WeightCache::Create(
      {.window_bytes = 64 * kKiB, .reads_in_flight = 1, .clock = &clock},
      *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(TakeAndRelease(share, **cache, 0), absl::OkStatus());
  EXPECT_EQ(TakeAndRelease(share, **cache, 1), absl::OkStatus());
  std::array<const std::byte*, 1> data;
  const absl::Time start = clock.Now();
  const absl::Status early =
      (*cache)->Acquire(2, 1, data, start + absl::Seconds(4)).status();
  EXPECT_EQ(early.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(early.message()),
              AllOf(HasSubstr("unit 102"), HasSubstr("fake.bin"),
                    HasSubstr("within 4s")));
  // The same unit, when the disk answers again.
  EXPECT_EQ(TakeAndRelease(share, **cache, 2), absl::OkStatus());
  EXPECT_EQ(clock.Now() - start, absl::Seconds(10));
  EXPECT_EQ(TakeAndRelease(share, **cache, 3), absl::OkStatus());
  EXPECT_EQ((*cache)->counters().stall, absl::Seconds(10));
  clock.RunFree();
}

TEST(WeightCacheFaultTest, AResidentThatCannotBeReadFailsCreate) {
  TestShare share = FourUnits();
  for (CacheEntry& entry : share.entries) entry.resident = true;
  share.file->set_hook(FailReads(share, 2, 100));
  EXPECT_EQ(WeightCache::Create({}, *share.file, share.entries).status(),
            absl::UnavailableError("input/output error"));
}

TEST(WeightCacheFaultTest, ShortReadsGiveTheSameBytes) {
  for (const uint64_t bytes : {4096, 5000, 12288}) {
    TestShare share({8000, 30000, 4096, 1});
    share.file->set_short_read_bytes(bytes);
    share.entries[1].resident = true;
    auto cache = WeightCache::Create({.window_bytes = 16 * kKiB}, *share.file,
                                     share.entries);
    ASSERT_TRUE(cache.ok()) << cache.status();
    RunPass(share, **cache);
    RunPass(share, **cache);
  }
}

TEST(WeightCacheFaultTest, AFileThatEndsTooEarlyIsOutOfRange) {
  TestShare share = FourUnits();
  share.file->content().resize(share.entries[3].offset + 100);
  share.entries[3].crc32c = 0;
  auto cache = WeightCache::Create({.window_bytes = 64 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(TakeAndRelease(share, **cache, i), absl::OkStatus());
  }
  const absl::Status status = TakeAndRelease(share, **cache, 3);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cut short"));
}

TEST(WeightCacheFaultTest, AWindowBelowTheLargestUnitIsRefusedWithTheMinimum) {
  TestShare share({8000, 20000, 30000});
  share.entries[2].resident = true;
  const auto create = [&](uint64_t window_bytes) {
    return WeightCache::Create({.window_bytes = window_bytes}, *share.file,
                               share.entries)
        .status();
  };
  EXPECT_EQ(create(20480), absl::OkStatus());
  const absl::Status status = create(20479);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("20480"));
}

TEST(WeightCacheFaultTest, UnitsInUseThatLeaveNoRoomAreAnErrorAndNoHang) {
  TestShare share = FourUnits();
  auto cache = WeightCache::Create({.window_bytes = 16 * kKiB}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::array<const std::byte*, 1> data;
  ASSERT_TRUE((*cache)->Acquire(0, 1, data, absl::InfiniteFuture()).ok());
  ASSERT_TRUE((*cache)->Acquire(1, 1, data, absl::InfiniteFuture()).ok());
  EXPECT_EQ(
      (*cache)->Acquire(2, 1, data, absl::InfiniteFuture()).status().code(),
      absl::StatusCode::kResourceExhausted);
  (*cache)->Release(0, 1);
  EXPECT_TRUE((*cache)->Acquire(2, 1, data, absl::InfiniteFuture()).ok());
}

}  // namespace
}  // namespace shoal::memory
