#include "memory/window_ring.h"

#include <deque>
#include <random>

#include "gtest/gtest.h"

namespace shoal::memory {
namespace {

TEST(WindowRingTest, AnEmptyRingHoldsOneExtentOfItsWholeCapacity) {
  WindowRing ring(100);
  EXPECT_EQ(ring.Room(101), 0);
  EXPECT_EQ(ring.Room(100), 100);
  EXPECT_EQ(ring.Allocate(100), 0);
  EXPECT_EQ(ring.Room(1), 0);
  ring.FreeAll();
  EXPECT_EQ(ring.Room(1), 100);
}

TEST(WindowRingTest, AnExtentThatDoesNotFitBeforeTheEndGoesToTheStart) {
  WindowRing ring(100);
  EXPECT_EQ(ring.Allocate(40), 0);
  EXPECT_EQ(ring.Allocate(40), 40);
  EXPECT_EQ(ring.Room(30), 0);
  EXPECT_EQ(ring.Room(20), 20);
  ring.FreeUpTo(40);
  EXPECT_EQ(ring.Room(30), 40);
  EXPECT_EQ(ring.Allocate(30), 0);
  EXPECT_EQ(ring.Room(11), 0);
  EXPECT_EQ(ring.Room(10), 10);
  EXPECT_EQ(ring.Allocate(10), 30);
  EXPECT_EQ(ring.Room(1), 0) << "full";
  ring.FreeUpTo(0);  // the extent at 40 is back
  EXPECT_EQ(ring.Room(1), 60);
}

TEST(WindowRingTest, ExtentsInUseNeverOverlap) {
  std::mt19937 random(7);
  WindowRing ring(1000);
  struct Extent {
    uint64_t offset, bytes;
  };
  std::deque<Extent> used;
  int allocated = 0;
  for (int step = 0; step < 20000; ++step) {
    const uint64_t bytes = 1 + random() % 400;
    if (random() % 2 == 0 && ring.Room(bytes) >= bytes) {
      const Extent extent = {ring.Allocate(bytes), bytes};
      ++allocated;
      ASSERT_LE(extent.offset + bytes, 1000);
      for (const Extent& other : used) {
        ASSERT_TRUE(extent.offset + bytes <= other.offset ||
                    other.offset + other.bytes <= extent.offset)
            << "step " << step;
      }
      used.push_back(extent);
    } else if (!used.empty()) {
      used.pop_front();
      if (used.empty()) {
        ring.FreeAll();
      } else {
        ring.FreeUpTo(used.front().offset);
      }
    }
  }
  EXPECT_GT(allocated, 5000);
}

TEST(WindowRingDeathTest, TakingMoreThanThereIsRoomForIsABug) {
  WindowRing ring(100);
  ring.Allocate(60);
  EXPECT_DEATH(ring.Allocate(41), "no room");
}

}  // namespace
}  // namespace shoal::memory
