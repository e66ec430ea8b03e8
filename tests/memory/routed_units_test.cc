#include "memory/routed_units.h"

#include <cstring>
#include <vector>

#include "base/check.h"
#include "gtest/gtest.h"
#include "memory/weight_cache.h"
#include "tests/memory/test_share.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kPage = kStoreAlignment;

class RoutedUnitsTest : public ::testing::Test {
 protected:
  RoutedUnitsTest()
      : share_({3 * kPage, kPage, 2 * kPage, 100, 3 * kPage}),
        loader_({.clock = &base::Clock::Real()}, *share_.file, share_.entries) {
    auto created =
        RoutedUnits::Create(loader_, base::Clock::Real(), 3 * kPage, 5);
    SHOAL_CHECK(created.ok(), created.status().message());
    routed_ = std::move(*created);
  }

  void ExpectTaken(uint32_t entry) {
    const auto data = routed_->Take(entry, absl::InfiniteFuture());
    ASSERT_TRUE(data.ok()) << data.status();
    const auto wanted = share_.Unit(share_.entries[entry]);
    EXPECT_EQ(std::memcmp(*data, wanted.data(), wanted.size()), 0) << entry;
  }

  TestShare share_;
  UnitLoader loader_;
  std::unique_ptr<RoutedUnits> routed_;
};

TEST_F(RoutedUnitsTest, GivesWhatWasAskedForInTheOrderAskedFor) {
  for (const std::vector<uint32_t>& wanted :
       {std::vector<uint32_t>{4, 0, 2}, {1}, {}, {0, 1, 2, 3, 4}, {3, 3}}) {
    routed_->Request(wanted);
    for (const uint32_t entry : wanted) ExpectTaken(entry);
  }
}

TEST_F(RoutedUnitsTest, ReadsNothingThatWasNotAskedFor) {
  routed_->Request(std::vector<uint32_t>{1, 3});
  ExpectTaken(1);
  ExpectTaken(3);
  EXPECT_EQ(loader_.bytes_read(), 2 * kPage);
}

TEST_F(RoutedUnitsTest, ANewRequestForgetsTheOldOne) {
  for (int round = 0; round < 100; ++round) {
    routed_->Request(std::vector<uint32_t>{0, 2, 4});
    if (round % 2 == 0) ExpectTaken(0);
    routed_->Request(std::vector<uint32_t>{1, 3});
    ExpectTaken(1);
    ExpectTaken(3);
  }
}

TEST_F(RoutedUnitsTest, AFailedReadFailsOneTakeAndTheNextRequestReadsAgain) {
  share_.file->content()[share_.entries[2].offset] ^= std::byte{1};
  routed_->Request(std::vector<uint32_t>{2, 1});
  EXPECT_TRUE(
      absl::IsDataLoss(routed_->Take(2, absl::InfiniteFuture()).status()));
  ExpectTaken(1);
  share_.file->content()[share_.entries[2].offset] ^= std::byte{1};
  routed_->Request(std::vector<uint32_t>{2});
  ExpectTaken(2);
}

// Of a cycle of passes, each with a different choice, exactly the chosen
// entries are read beside the streamed ones; residents are not read at all.
TEST(WeightCacheRoutedTest, BytesReadAreTheStreamedAndTheChosenOnes) {
  TestShare share({kPage, 2 * kPage, kPage, 3 * kPage, kPage, kPage});
  for (const uint32_t i : {1u, 2u, 3u, 4u}) share.entries[i].routed = true;
  share.entries[2].resident = true;
  auto cache = WeightCache::Create({.window_bytes = 2 * kPage}, *share.file,
                                   share.entries);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ((*cache)->streamed_bytes(), 2 * kPage);
  uint64_t wanted_bytes = 0;
  const auto check = [&](uint32_t entry, const std::byte* data) {
    const auto wanted = share.Unit(share.entries[entry]);
    EXPECT_EQ(std::memcmp(data, wanted.data(), wanted.size()), 0) << entry;
    if (!share.entries[entry].resident) {
      wanted_bytes += PaddedBytes(share.entries[entry]);
    }
  };
  const std::byte* data = nullptr;
  for (const std::vector<uint32_t>& chosen :
       {std::vector<uint32_t>{1, 2}, {3, 4}, {2}, {1, 2, 3, 4}}) {
    for (const uint32_t fixed : {0u, 5u}) {
      ASSERT_TRUE(
          (*cache)->Acquire(fixed, 1, {&data, 1}, absl::InfiniteFuture()).ok());
      check(fixed, data);
      (*cache)->Release(fixed, 1);
      if (fixed == 5) break;
      (*cache)->RequestRouted(chosen);
      for (const uint32_t entry : chosen) {
        const auto routed =
            (*cache)->AcquireRouted(entry, absl::InfiniteFuture());
        ASSERT_TRUE(routed.ok()) << routed.status();
        check(entry, *routed);
      }
    }
    EXPECT_EQ((*cache)->counters().consumed_bytes, wanted_bytes);
  }
}

}  // namespace
}  // namespace shoal::memory
