#include "kernels/thread_team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace shoal::kernels {
namespace {

TEST(ThreadTeamTest, EveryTaskRunsOnceWhateverTheTeam) {
  for (const uint32_t members : {1u, 2u, 3u, 7u}) {
    const auto team = ThreadTeam::Create(members);
    EXPECT_EQ(team->member_count(), members);
    for (const uint32_t tasks : {0u, 1u, 2u, 3u, 100u}) {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<uint32_t>> runs(tasks);
        team->Run(tasks, [&](uint32_t i, uint32_t member) {
          EXPECT_LT(member, members);
          runs[i].fetch_add(1, std::memory_order_relaxed);
        });
        for (const auto& count : runs) {
          ASSERT_EQ(count.load(std::memory_order_relaxed), 1u);
        }
      }
    }
  }
}

TEST(ThreadTeamTest, WhatTasksWriteIsSeenAfterRun) {
  const auto team = ThreadTeam::Create(4);
  std::vector<uint64_t> values(64, 0);
  for (uint64_t round = 1; round <= 500; ++round) {
    team->Run(static_cast<uint32_t>(values.size()),
              [&](uint32_t i, uint32_t) { values[i] += round; });
    for (const uint64_t value : values) {
      ASSERT_EQ(value, round * (round + 1) / 2);
    }
  }
}

TEST(ThreadTeamTest, NoTwoTasksAtATimeShareAMember) {
  const uint32_t members = 4;
  const auto team = ThreadTeam::Create(members);
  std::vector<std::atomic<bool>> busy(members);
  std::atomic<int> clashes = 0;
  team->Run(1000, [&](uint32_t, uint32_t member) {
    if (busy[member].exchange(true)) clashes.fetch_add(1);
    busy[member].store(false);
  });
  EXPECT_EQ(clashes.load(), 0);
}

TEST(ThreadTeamTest, ATeamOfOneRunsInOrder) {
  const auto team = ThreadTeam::Create(1);
  std::vector<uint32_t> order;
  team->Run(5, [&](uint32_t i, uint32_t) { order.push_back(i); });
  EXPECT_EQ(order, (std::vector<uint32_t>{0, 1, 2, 3, 4}));
}

// Two members must meet inside the tasks: neither could finish alone.
TEST(ThreadTeamTest, MembersWorkAtTheSameTime) {
  const auto team = ThreadTeam::Create(2);
  std::atomic<uint32_t> arrived = 0;
  team->Run(2, [&](uint32_t, uint32_t) {
    arrived.fetch_add(1);
    while (arrived.load() < 2) {
    }
  });
  EXPECT_EQ(arrived.load(), 2u);
}

// The caller has nothing left to do while the other member works on for a few
// milliseconds: longer than any spinning.
TEST(ThreadTeamTest, RunReturnsOnlyWhenTheLastTaskHasEnded) {
  const auto team = ThreadTeam::Create(2);
  for (int round = 0; round < 5; ++round) {
    std::atomic<uint32_t> arrived = 0;
    std::atomic<uint64_t> ended = 0;
    team->Run(2, [&](uint32_t, uint32_t member) {
      arrived.fetch_add(1);
      while (arrived.load() < 2) {
      }
      if (member == 0) return;
      std::atomic<uint64_t> steps = 0;
      while (steps.fetch_add(1) < 1000000) {
      }
      ended.store(steps.load());
    });
    EXPECT_EQ(ended.load(), 1000001u);
  }
}

TEST(ThreadTeamTest, ATeamThatNeverRanEnds) {
  for (int i = 0; i < 20; ++i) ThreadTeam::Create(3);
}

TEST(ThreadTeamTest, ImpossibleSizesAreABug) {
  EXPECT_DEATH(ThreadTeam::Create(0), "0 members");
  EXPECT_DEATH(ThreadTeam::Create(ThreadTeam::kMemberCountMax + 1),
               "257 members");
}

}  // namespace
}  // namespace shoal::kernels
