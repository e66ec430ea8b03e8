#include "kernels/thread_team.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "kernels/cpu_cores.h"

namespace shoal::kernels {
namespace {

void ExpectEveryTaskRunsOnce(ThreadTeam& team) {
  for (const uint32_t tasks : {0u, 1u, 2u, 3u, 100u}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<std::atomic<uint32_t>> runs(tasks);
      team.Run(tasks, [&](uint32_t i, uint32_t member) {
        EXPECT_LT(member, team.member_count());
        runs[i].fetch_add(1, std::memory_order_relaxed);
      });
      for (const auto& count : runs) {
        ASSERT_EQ(count.load(std::memory_order_relaxed), 1u);
      }
    }
  }
}

TEST(ThreadTeamTest, EveryTaskRunsOnceWhateverTheTeam) {
  for (const uint32_t members : {1u, 2u, 3u, 7u}) {
    const auto team = ThreadTeam::Create(members);
    EXPECT_EQ(team->member_count(), members);
    ExpectEveryTaskRunsOnce(*team);
    const ThreadTeam::Pass pass(*team);
    ExpectEveryTaskRunsOnce(*team);
  }
}

TEST(ThreadTeamTest, EveryTaskRunsOnceWithoutSpinning) {
  const auto team = ThreadTeam::Create({.member_count = 3, .spin = false});
  ExpectEveryTaskRunsOnce(*team);
  team->set_spin(true);
  ExpectEveryTaskRunsOnce(*team);
  team->set_spin(false);
  const ThreadTeam::Pass pass(*team);
  ExpectEveryTaskRunsOnce(*team);
}

TEST(ThreadTeamTest, MembersAndTheCallerKeepToTheCoresGiven) {
  const uint32_t core = ReadCpuCores().all.back();
  // In a thread of its own, as the caller stays bound.
  std::thread caller([core] {
    const auto team = ThreadTeam::Create({.member_count = 2, .cores = {core}});
    const ThreadTeam::Pass pass(*team);
    std::atomic<uint32_t> arrived = 0;
    team->Run(2, [&](uint32_t, uint32_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 2) sched_yield();
      EXPECT_EQ(sched_getcpu(), static_cast<int>(core));
    });
  });
  caller.join();
}

// A member that has lost its core looks like one that works on and on.
TEST(ThreadTeamTest, AMemberThatWorksLongAfterTheCallerIsNoted) {
  const auto team = ThreadTeam::Create(2);
  ASSERT_EQ(team->late_count(), 0u);
  EXPECT_EQ(team->active_count(), 2u);
  // On a busy machine the caller may lose its core instead.
  for (int round = 0; round < 100 && team->late_count() == 0; ++round) {
    std::atomic<bool> began = false;
    // So many that waiting for the other to begin is no long task.
    team->Run(1000, [&](uint32_t, uint32_t member) {
      if (member == 0) {
        while (!began.load()) {
        }
        return;
      }
      if (began.exchange(true)) return;
      const auto start = std::chrono::steady_clock::now();
      while (std::chrono::steady_clock::now() - start <
             std::chrono::milliseconds(5)) {
      }
    });
  }
  EXPECT_EQ(team->late_count(), 1u);
  EXPECT_EQ(team->active_count(), 1u);
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
  for (int round = 0; round < 5; ++round) {
    // A new one, as the member will be late.
    const auto team = ThreadTeam::Create(2);
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
