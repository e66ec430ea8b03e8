// Residents that come and go between passes.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "memory/process_memory.h"
#include "memory/resident_set.h"
#include "memory/weight_cache.h"
#include "tests/memory/test_share.h"

namespace shoal::memory {
namespace {

std::vector<uint64_t> Sizes(uint64_t count) {
  std::vector<uint64_t> bytes;
  for (uint64_t i = 0; i < count; ++i) bytes.push_back(5000 + i * 7919 % 20000);
  return bytes;
}

std::vector<uint64_t> Padded(const TestShare& share) {
  std::vector<uint64_t> padded;
  for (const CacheEntry& e : share.entries) padded.push_back(PaddedBytes(e));
  return padded;
}

void RunPass(const TestShare& share, WeightCache& cache) {
  std::vector<const std::byte*> data(3);
  for (uint32_t at = 0; at < cache.entry_count();) {
    const auto count = cache.Acquire(at, 3, data, absl::InfiniteFuture());
    ASSERT_TRUE(count.ok()) << count.status();
    for (uint32_t i = 0; i < *count; ++i) {
      const auto expected = share.Unit(share.entries[at + i]);
      ASSERT_EQ(std::memcmp(data[i], expected.data(), expected.size()), 0)
          << "entry " << at + i;
    }
    cache.Release(at, *count);
    at += *count;
  }
}

std::vector<bool> ResidentsOf(const WeightCache& cache) {
  std::vector<bool> resident;
  for (uint32_t i = 0; i < cache.entry_count(); ++i) {
    resident.push_back(cache.is_resident(i));
  }
  return resident;
}

TEST(WeightCacheChangeTest, PassesGiveTheSameBytesAndReadShareMinusResident) {
  TestShare share(Sizes(24), {5, 17});
  const std::vector<uint64_t> padded = Padded(share);
  auto cache = WeightCache::Create({.window_bytes = 100 * base::kKiB,
                                    .resident_bytes_max = share.padded_bytes},
                                   *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  RunPass(share, **cache);
  for (const uint64_t percent : {60, 35, 10, 80, 0, 100, 99, 50}) {
    const std::vector<bool> wanted = ChangeResidents(
        padded, ResidentsOf(**cache), share.padded_bytes * percent / 100);
    uint64_t resident_bytes = 0;
    uint64_t coming = 0;
    for (uint32_t i = 0; i < wanted.size(); ++i) {
      if (!wanted[i]) continue;
      resident_bytes += padded[i];
      if (!(*cache)->is_resident(i)) coming += padded[i];
    }
    const CacheCounters before = (*cache)->counters();
    const absl::Status changed =
        (*cache)->ChangeResidents(wanted, (40 + percent) * base::kKiB);
    ASSERT_TRUE(changed.ok()) << changed;
    EXPECT_EQ(ResidentsOf(**cache), wanted);
    EXPECT_EQ((*cache)->resident_bytes(), resident_bytes);
    const uint64_t streamed = share.padded_bytes - resident_bytes;
    EXPECT_EQ((*cache)->streamed_bytes(), streamed);
    for (int pass = 0; pass < 3; ++pass) RunPass(share, **cache);
    const CacheCounters after = (*cache)->counters();
    EXPECT_EQ(after.consumed_bytes - before.consumed_bytes, 3 * streamed);
    // A resident that was there is not read again.
    EXPECT_EQ(after.load_bytes - before.load_bytes, coming) << percent;
    EXPECT_GE(after.stall, before.stall);
  }
}

TEST(WeightCacheChangeTest, MemoryGoesBackToTheSystemAndComesAgain) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps memory of its own for what was touched";
#endif
  TestShare share(std::vector<uint64_t>(64, base::kMiB));
  for (CacheEntry& entry : share.entries) entry.resident = true;
  auto cache = WeightCache::Create({}, *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  const auto full = ReadProcessMemory();
  ASSERT_TRUE(full.ok()) << full.status();
  // Every second unit, so that what stays has to move together.
  std::vector<bool> half(64);
  for (size_t i = 0; i < half.size(); ++i) half[i] = i % 2 == 0;
  ASSERT_TRUE((*cache)->ChangeResidents(half, 4 * base::kMiB).ok());
  RunPass(share, **cache);
  const auto less = ReadProcessMemory();
  ASSERT_TRUE(less.ok());
  EXPECT_LE(less->rss_bytes, full->rss_bytes - 24 * base::kMiB);
  ASSERT_TRUE((*cache)->ChangeResidents(std::vector<bool>(64, true), 0).ok());
  const size_t requests = share.file->requests().size();
  RunPass(share, **cache);
  EXPECT_EQ(share.file->requests().size(), requests) << "all is in memory";
  const auto again = ReadProcessMemory();
  ASSERT_TRUE(again.ok());
  // The most ever is what it was at first, and not both sets at once.
  EXPECT_LE(again->peak_rss_bytes, full->peak_rss_bytes + 2 * base::kMiB);
}

TEST(WeightCacheChangeTest, AUnitThatCannotComeGoesOnStreaming) {
  TestShare share(Sizes(8));
  std::atomic<bool> broken = false;
  share.file->set_hook([&](uint64_t offset, std::span<std::byte>) {
    return broken && offset >= share.entries[4].offset
               ? absl::UnavailableError("bad sector")
               : absl::OkStatus();
  });
  auto cache = WeightCache::Create({.window_bytes = 100 * base::kKiB,
                                    .resident_bytes_max = share.padded_bytes},
                                   *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  RunPass(share, **cache);
  broken = true;
  std::vector<bool> wanted(8, false);
  wanted[1] = wanted[6] = true;
  ASSERT_TRUE((*cache)->ChangeResidents(wanted, 100 * base::kKiB).ok());
  broken = false;
  EXPECT_TRUE((*cache)->is_resident(1));
  EXPECT_FALSE((*cache)->is_resident(6));
  EXPECT_EQ((*cache)->resident_bytes(), PaddedBytes(share.entries[1]));
}

// Where everything was to be in memory there is no window.
TEST(WeightCacheChangeTest, AUnitThatCannotComeGetsTheWindowThatItNeeds) {
  TestShare share(Sizes(8));
  std::atomic<bool> broken = false;
  share.file->set_hook([&](uint64_t offset, std::span<std::byte> to) {
    return broken && offset + to.size() > share.entries[4].offset
               ? absl::UnavailableError("bad sector")
               : absl::OkStatus();
  });
  auto cache = WeightCache::Create({.window_bytes = 100 * base::kKiB,
                                    .resident_bytes_max = share.padded_bytes},
                                   *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  broken = true;
  const std::vector<bool> all(8, true);
  const absl::Status changed = (*cache)->ChangeResidents(all, 0);
  ASSERT_TRUE(changed.ok()) << changed;
  broken = false;
  EXPECT_FALSE((*cache)->is_resident(7));
  RunPass(share, **cache);
}

TEST(WeightCacheChangeTest, ResidentsNeverExceedTheRoomThatWasMade) {
  TestShare share(Sizes(8));
  share.entries[3].resident = true;
  const uint64_t room =
      PaddedBytes(share.entries[3]) + PaddedBytes(share.entries[4]);
  auto cache = WeightCache::Create(
      {.window_bytes = 100 * base::kKiB, .resident_bytes_max = room},
      *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::vector<bool> wanted(8, false);
  wanted[3] = wanted[4] = wanted[5] = true;
  ASSERT_TRUE((*cache)->ChangeResidents(wanted, 100 * base::kKiB).ok());
  EXPECT_EQ((*cache)->resident_bytes(), room);
  EXPECT_FALSE((*cache)->is_resident(5));
  RunPass(share, **cache);
}

TEST(WeightCacheChangeTest, AWindowBelowTheLargestUnitIsRefused) {
  TestShare share(Sizes(8));
  for (CacheEntry& entry : share.entries) entry.resident = true;
  auto cache = WeightCache::Create({}, *share.file, share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ((*cache)->ChangeResidents(std::vector<bool>(8, false), 4096).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal::memory
