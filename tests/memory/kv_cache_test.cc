#include "memory/kv_cache.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::memory {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

KvCache MakeCache(uint64_t blocks) {
  // Two streams of different sizes, one block of 8192 bytes.
  return KvCache({.positions_per_page = 16, .budget_bytes = blocks * 8192},
                 {1000, 5000});
}

TEST(KvCacheTest, StreamsGrowTogetherByWholePages) {
  KvCache cache = MakeCache(10);
  EXPECT_EQ(cache.block_bytes(), 8192u);
  EXPECT_EQ(cache.Capacity(1), 0u);
  EXPECT_TRUE(cache.Pages(1, 0).empty());
  ASSERT_EQ(cache.Reserve(1, 17), absl::OkStatus());
  EXPECT_EQ(cache.Pages(1, 0).size(), 2u);
  EXPECT_EQ(cache.Pages(1, 1).size(), 2u);
  EXPECT_EQ(cache.Capacity(1), 32u);
  EXPECT_EQ(cache.bytes_in_use(), 2 * 8192u);
  ASSERT_EQ(cache.Reserve(1, 5), absl::OkStatus()) << "never shrinks";
  EXPECT_EQ(cache.Capacity(1), 32u);
}

TEST(KvCacheTest, PagesAreApartAlignedAndKeepTheirBytesWhenOthersGrow) {
  KvCache cache = MakeCache(10);
  const uint64_t page_bytes[] = {1000, 5000};
  const auto fill = [&](uint64_t session, uint32_t stream, size_t page) {
    std::byte* const data = cache.Pages(session, stream)[page];
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 32, 0u);
    std::memset(data, static_cast<int>(session * 50 + stream * 10 + page),
                page_bytes[stream]);
  };
  for (size_t page = 0; page < 3; ++page) {
    for (const uint64_t session : {1, 2}) {
      ASSERT_EQ(cache.Reserve(session, 16 * (static_cast<uint32_t>(page) + 1)),
                absl::OkStatus());
      for (const uint32_t stream : {0u, 1u}) fill(session, stream, page);
    }
  }
  for (const uint64_t session : {1, 2}) {
    for (const uint32_t stream : {0u, 1u}) {
      for (size_t page = 0; page < 3; ++page) {
        const std::byte* const data = cache.Pages(session, stream)[page];
        const auto mark =
            static_cast<std::byte>(session * 50 + stream * 10 + page);
        EXPECT_EQ(data[0], mark);
        EXPECT_EQ(data[page_bytes[stream] - 1], mark);
      }
    }
  }
}

TEST(KvCacheTest, BeyondTheBudgetSaysWhatWouldFitAndChangesNothing) {
  KvCache cache = MakeCache(5);
  ASSERT_EQ(cache.Reserve(1, 32), absl::OkStatus());
  ASSERT_EQ(cache.Reserve(2, 16), absl::OkStatus());
  const absl::Status status = cache.Reserve(2, 64);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("64 positions of session 2"),
                    HasSubstr("48 positions would fit")));
  EXPECT_EQ(cache.Capacity(2), 16u);
  EXPECT_EQ(cache.bytes_in_use(), 3 * 8192u);
  EXPECT_EQ(cache.Reserve(2, 48), absl::OkStatus());
}

TEST(KvCacheTest, TruncateKeepsThePageOfTheLastPosition) {
  KvCache cache = MakeCache(5);
  ASSERT_EQ(cache.Reserve(1, 64), absl::OkStatus());
  std::byte* const first = cache.Pages(1, 0)[0];
  cache.Truncate(1, 17);
  EXPECT_EQ(cache.Pages(1, 0).size(), 2u);
  cache.Truncate(1, 16);
  EXPECT_EQ(cache.Pages(1, 1).size(), 1u);
  EXPECT_EQ(cache.Pages(1, 0)[0], first);
  cache.Truncate(1, 100);
  cache.Truncate(7, 0);
  EXPECT_EQ(cache.bytes_in_use(), 8192u);
  cache.Truncate(1, 0);
  EXPECT_EQ(cache.bytes_in_use(), 0u);
}

TEST(KvCacheTest, PagesThatAreGivenBackServeOtherSessions) {
  KvCache cache = MakeCache(4);
  ASSERT_EQ(cache.Reserve(1, 64), absl::OkStatus());
  for (std::byte* const page : cache.Pages(1, 0)) page[0] = std::byte{9};
  EXPECT_FALSE(cache.Reserve(2, 1).ok());
  cache.Drop(1);
  cache.Drop(1);
  EXPECT_EQ(cache.bytes_in_use(), 0u);
  EXPECT_TRUE(cache.Pages(1, 0).empty());
  ASSERT_EQ(cache.Reserve(2, 64), absl::OkStatus());
  // The same memory, not new pages of the system, which would be zero.
  for (std::byte* const page : cache.Pages(2, 0)) {
    EXPECT_EQ(page[0], std::byte{9});
  }
}

TEST(KvCacheTest, ARankWithoutStreamsNeedsNothing) {
  KvCache cache({.budget_bytes = 0}, {});
  EXPECT_EQ(cache.Reserve(1, 100000), absl::OkStatus());
  EXPECT_EQ(cache.bytes_in_use(), 0u);
}

}  // namespace
}  // namespace shoal::memory
