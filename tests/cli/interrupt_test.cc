#include "cli/interrupt.h"

#include <poll.h>
#include <unistd.h>

#include <csignal>

#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

TEST(InterruptWatcherTest, TheFirstSignalSetsTheFlagsAndCallsBack) {
  for (const int number : {SIGINT, SIGTERM}) {
    std::atomic<int> calls = 0;
    InterruptWatcher watcher([&] { ++calls; });
    EXPECT_FALSE(watcher.interrupted());
    kill(getpid(), number);
    pollfd file = {watcher.file(), POLLIN, 0};
    EXPECT_EQ(poll(&file, 1, -1), 1);
    EXPECT_TRUE(watcher.interrupted());
    EXPECT_TRUE(watcher.cancel());
    while (calls == 0) {
    }
    EXPECT_EQ(calls, 1);
  }
}

TEST(InterruptWatcherTest, WhomItCallsCanChangeAndIsCalledLateToo) {
  int before = 0;
  std::atomic<int> after = 0;
  InterruptWatcher watcher([&] { ++before; });
  watcher.CallOnInterrupt([&] { ++after; });
  EXPECT_EQ(after, 0);
  kill(getpid(), SIGINT);
  while (after == 0) {
  }
  EXPECT_EQ(before, 0);
  int late = 0;
  watcher.CallOnInterrupt([&] { ++late; });
  EXPECT_EQ(late, 1);
}

TEST(InterruptWatcherTest, ACancelFromElsewhereIsNoInterrupt) {
  InterruptWatcher watcher;
  watcher.cancel() = true;
  EXPECT_FALSE(watcher.interrupted());
  pollfd file = {watcher.file(), POLLIN, 0};
  EXPECT_EQ(poll(&file, 1, 0), 0);
}

TEST(InterruptWatcherDeathTest, TheSecondSignalEndsTheProcessWith130) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        InterruptWatcher watcher([] { kill(getpid(), SIGINT); });
        kill(getpid(), SIGINT);
        for (;;) pause();
      },
      ::testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace shoal::cli
