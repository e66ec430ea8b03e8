#include "memory/slab.h"

#include <cstring>

#include "base/byte_size.h"
#include "gtest/gtest.h"
#include "memory/process_memory.h"

namespace shoal::memory {
namespace {

using base::kMiB;

uint64_t Rss() {
  const auto memory = ReadProcessMemory();
  EXPECT_TRUE(memory.ok()) << memory.status();
  return memory.ok() ? memory->rss_bytes : 0;
}

TEST(SlabTest, RoomToGrowTakesNoMemoryAndKeepsTheAddress) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps memory of its own for what was touched";
#endif
  const uint64_t before = Rss();
  auto slab = Slab::Create(5 * kMiB, 512 * kMiB);
  ASSERT_TRUE(slab.ok()) << slab.status();
  EXPECT_EQ(slab->size(), 5 * kMiB);
  EXPECT_EQ(slab->size_max(), 512 * kMiB);
  std::memset(slab->data(), 1, slab->size());
  // No huge page reaches beyond the part in use.
  EXPECT_LE(Rss(), before + 6 * kMiB);
  const std::byte* const data = slab->data();
  slab->Resize(40 * kMiB);
  EXPECT_EQ(slab->data(), data);
  std::memset(slab->data(), 2, slab->size());
  EXPECT_GE(Rss(), before + 39 * kMiB);
  slab->Resize(3 * kMiB);
  EXPECT_LE(Rss(), before + 5 * kMiB);
  EXPECT_EQ(slab->data()[3 * kMiB - 1], std::byte{2});
}

TEST(SlabTest, WithoutAddressesToGrowItIsAsLargeAsItMustBe) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has its own word on large mappings";
#endif
  auto slab = Slab::Create(5 * kMiB, uint64_t{1} << 60);
  ASSERT_TRUE(slab.ok()) << slab.status();
  EXPECT_EQ(slab->size_max(), 5 * kMiB);
  EXPECT_EQ(Slab::Create(uint64_t{1} << 60).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(SlabTest, NothingNeedsNothing) {
  auto slab = Slab::Create(0);
  ASSERT_TRUE(slab.ok()) << slab.status();
  slab->Resize(0);
  EXPECT_EQ(slab->size(), 0u);
}

}  // namespace
}  // namespace shoal::memory
