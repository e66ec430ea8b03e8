// Reading and computing happen at the same time: measured on a simulated
// clock, with a disk that takes a set time for a byte.

#include <algorithm>
#include <array>
#include <tuple>

#include "base/check.h"
#include "gtest/gtest.h"
#include "memory/weight_cache.h"
#include "tests/memory/test_share.h"
#include "tests/testing/simulated_clock.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kUnitBytes = 64 * base::kKiB;
constexpr uint32_t kUnitCount = 40;
constexpr double kComputeBytesPerSecond = 100e6;

struct Times {
  absl::Duration pass;  // mean over some passes, from the end of the first on
  absl::Duration stall;
};

// Passes over all units; computing takes the same time for a byte everywhere.
// `pause` after each pass stands for exchanges, head and sampling.
Times MeasurePasses(double disk_bytes_per_second, uint32_t reads_in_flight,
                    uint64_t window_units, absl::Duration pause) {
  testing::SimulatedClock clock(1 + static_cast<int>(reads_in_flight));
  testing::DiskTime disk(clock, disk_bytes_per_second);
  TestShare share(std::vector<uint64_t>(kUnitCount, kUnitBytes));
  share.file->set_hook([&](uint64_t, std::span<std::byte> bytes) {
    disk.Spend(bytes.size());
    return absl::OkStatus();
  });
  auto cache = WeightCache::Create({.window_bytes = window_units * kUnitBytes,
                                    .reads_in_flight = reads_in_flight,
                                    .clock = &clock},
                                   *share.file, share.entries);
  SHOAL_CHECK(cache.ok(), cache.status().message());

  constexpr int kPasses = 4;
  absl::Time start;
  absl::Duration stall_before;
  std::array<const std::byte*, 4> data;
  for (int pass = 0; pass <= kPasses; ++pass) {
    if (pass == 1) {
      start = clock.Now();
      stall_before = (*cache)->counters().stall;
    }
    for (uint32_t at = 0; at < kUnitCount;) {
      const auto count = (*cache)->Acquire(at, 4, data, absl::InfiniteFuture());
      SHOAL_CHECK(count.ok(), count.status().message());
      for (uint32_t i = 0; i < *count; ++i) {
        clock.SleepFor(absl::Seconds(kUnitBytes / kComputeBytesPerSecond));
        (*cache)->Release(at + i, 1);
      }
      at += *count;
    }
    clock.SleepFor(pause);
  }
  const Times times = {
      .pass = (clock.Now() - start) / kPasses,
      .stall = ((*cache)->counters().stall - stall_before) / kPasses};
  clock.RunFree();
  return times;
}

class WeightCacheOverlapTest
    : public ::testing::TestWithParam<std::tuple<double, uint32_t, uint64_t>> {
};

TEST_P(WeightCacheOverlapTest, APassTakesTheLargerOfReadingAndComputing) {
  const auto [disk_rate, reads_in_flight, window_units] = GetParam();
  const absl::Duration read =
      absl::Seconds(kUnitCount * kUnitBytes / (disk_rate * 1e6));
  const absl::Duration compute =
      absl::Seconds(kUnitCount * kUnitBytes / kComputeBytesPerSecond);
  const absl::Duration pause = compute / 4;
  const absl::Duration larger = std::max(read, compute + pause);
  const Times times =
      MeasurePasses(disk_rate * 1e6, reads_in_flight, window_units, pause);
  // What is read ahead may be less at the end than it was at the beginning, by
  // a request of some units in four passes.
  EXPECT_GE(times.pass, 0.95 * larger);
  EXPECT_LE(times.pass, 1.3 * larger);
  // What is not computing is waiting, and it is counted.
  EXPECT_LE(absl::AbsDuration(times.pass - compute - pause - times.stall),
            absl::Milliseconds(1));
}

INSTANTIATE_TEST_SUITE_P(
    DiskSlowerAsFastAndFasterThanComputing, WeightCacheOverlapTest,
    ::testing::Combine(::testing::Values(50.0, 80.0, 100.0, 300.0),
                       ::testing::Values(1u, 2u, 4u),
                       ::testing::Values(uint64_t{16}, uint64_t{40})));

}  // namespace
}  // namespace shoal::memory
