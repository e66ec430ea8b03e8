#include "memory/memory_watch.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/simulated_clock.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::memory {
namespace {

using base::kGiB;
using base::kKiB;
using base::kMiB;
using ::testing::HasSubstr;

constexpr MemoryWatch::Range kRange = {
    .budget = 900 * kMiB, .floor = 100 * kMiB, .full = 1000 * kMiB};

// A machine of 8 GiB in a folder, of which the reserve is 256 MiB.
class MemoryWatchTest : public ::testing::Test {
 protected:
  MemoryWatchTest() { SetAvailable(4 * kGiB); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.File(path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void SetAvailable(uint64_t bytes) {
    Write("proc/meminfo", absl::StrCat("MemTotal: 8388608 kB\nMemAvailable: ",
                                       bytes / kKiB, " kB\n"));
  }
  void SetStall(int64_t milliseconds) {
    Write("proc/pressure/memory",
          absl::StrCat("some avg10=0.00 total=", milliseconds * 1000,
                       "\nfull avg10=0.00 total=0\n"));
  }
  MemoryWatch Make() {
    MemoryWatch::Options options;
    options.root = folder_.path();
    options.cap_file = folder_.File("cap");
    options.clock = &clock_;
    return MemoryWatch(options, kRange);
  }
  std::optional<MemoryWatch::Wish> PollAfter(MemoryWatch& watch,
                                             absl::Duration time) {
    clock_.SleepFor(time);
    return watch.Poll();
  }
  // The budget wished after a second; 0 if it stays.
  uint64_t Next(MemoryWatch& watch, absl::Duration time = absl::Seconds(1)) {
    const auto wish = PollAfter(watch, time);
    return wish ? wish->budget_bytes : 0;
  }

  const testing::TemporaryFolder folder_;
  testing::SimulatedClock clock_{1};
};

TEST_F(MemoryWatchTest, NothingChangesWhileThereIsRoom) {
  MemoryWatch watch = Make();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Next(watch), 0u);
}

TEST_F(MemoryWatchTest, TheCapFileIsFollowedDownAndUp) {
  MemoryWatch watch = Make();
  Write("cap", "300MiB\n");
  const auto lower = PollAfter(watch, absl::Seconds(1));
  ASSERT_TRUE(lower.has_value());
  EXPECT_EQ(lower->budget_bytes, 300 * kMiB);
  EXPECT_FALSE(lower->below_floor);
  EXPECT_THAT(lower->why, HasSubstr("says 300 MiB"));
  EXPECT_EQ(Next(watch), 0u) << "told once";
  Write("cap", "700 MiB");
  EXPECT_EQ(Next(watch), 700 * kMiB);
  Write("cap", "5GiB");
  EXPECT_EQ(Next(watch), kRange.full);
}

TEST_F(MemoryWatchTest, AnUnreadableCapLeavesTheBudgetAsItIs) {
  MemoryWatch watch = Make();
  Write("cap", "300MiB");
  EXPECT_EQ(Next(watch), 300 * kMiB);
  Write("cap", "plenty");
  EXPECT_EQ(Next(watch), 0u);
  EXPECT_EQ(MemoryWatch::ReadCap(folder_.File("cap")).status().code(),
            absl::StatusCode::kInvalidArgument);
  std::filesystem::remove(folder_.File("cap"));
  EXPECT_EQ(Next(watch), 0u);
  EXPECT_EQ(MemoryWatch::ReadCap(folder_.File("cap")).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(MemoryWatchTest, BelowTheFloorItStaysAtTheFloorAndSaysSoOnce) {
  MemoryWatch watch = Make();
  Write("cap", "50MiB");
  const auto wish = PollAfter(watch, absl::Seconds(1));
  ASSERT_TRUE(wish.has_value());
  EXPECT_EQ(wish->budget_bytes, kRange.floor);
  EXPECT_TRUE(wish->below_floor);
  EXPECT_EQ(PollAfter(watch, absl::Seconds(1)), std::nullopt);
  Write("cap", "40MiB");
  EXPECT_EQ(PollAfter(watch, absl::Seconds(1)), std::nullopt);
  Write("cap", "200MiB");
  EXPECT_EQ(Next(watch), 200 * kMiB);
}

TEST_F(MemoryWatchTest, LooksOnlyOnceAnInterval) {
  MemoryWatch watch = Make();
  EXPECT_EQ(Next(watch), 0u);
  Write("cap", "300MiB");
  EXPECT_EQ(Next(watch, absl::Milliseconds(400)), 0u);
  EXPECT_EQ(Next(watch, absl::Milliseconds(100)), 300 * kMiB);
}

TEST_F(MemoryWatchTest, AMachineThatRunsOutGetsWhatIsMissingAtLeastAnEighth) {
  MemoryWatch watch = Make();
  SetAvailable(250 * kMiB);  // 6 MiB below the reserve
  const auto eighth = PollAfter(watch, absl::Seconds(1));
  ASSERT_TRUE(eighth.has_value());
  EXPECT_EQ(eighth->budget_bytes, 900 * kMiB - 100 * kMiB);
  EXPECT_THAT(eighth->why, HasSubstr("machine has 250 MiB of 8 GiB left"));
  SetAvailable(56 * kMiB);
  EXPECT_EQ(Next(watch), 600 * kMiB);
  SetAvailable(0);
  for (int i = 0; i < 20; ++i) Next(watch);
  Write("cap", "400MiB");
  EXPECT_EQ(Next(watch), 0u) << "it is at the floor already";
}

TEST_F(MemoryWatchTest, ALimitOfAGroupOfEitherVersionCounts) {
  for (const bool unified : {false, true}) {
    const std::string group =
        unified ? "sys/fs/cgroup/app/" : "sys/fs/cgroup/memory/app/";
    const auto name = [&](const char* v1, const char* v2) {
      return group + (unified ? v2 : v1);
    };
    Write("proc/self/cgroup", unified ? "0::/app\n" : "4:memory:/app\n");
    Write(name("memory.limit_in_bytes", "memory.max"), "1073741824");
    Write(group + "memory.stat",
          "inactive_file 0\nactive_file 20971520\ntotal_inactive_file 0\n"
          "total_active_file 20971520\n");
    const std::string usage = name("memory.usage_in_bytes", "memory.current");
    // Room because page cache can go.
    Write(usage, absl::StrCat(1024 * kMiB));
    MemoryWatch watch = Make();
    EXPECT_EQ(Next(watch), 0u);
    // 36 MiB are missing to the reserve of 16, an eighth is more.
    Write(usage, absl::StrCat(1064 * kMiB));
    EXPECT_EQ(Next(watch), 800 * kMiB);
    // The limit itself falls: 1064 MiB less 20 of cache do not fit in 512.
    Write(name("memory.limit_in_bytes", "memory.max"), "536870912");
    EXPECT_EQ(Next(watch), 800 * kMiB - (1064 - 20 - 512 + 8) * kMiB);
    std::filesystem::remove_all(folder_.File("sys"));
  }
}

TEST_F(MemoryWatchTest, WaitingForMemoryCountsWhereLittleIsLeft) {
  SetStall(0);
  MemoryWatch watch = Make();
  SetStall(500);
  EXPECT_EQ(Next(watch), 0u) << "half of the machine is free";
  SetAvailable(kGiB);
  SetStall(590);
  EXPECT_EQ(Next(watch), 0u) << "a tenth of a second in a second is not much";
  SetStall(690);
  EXPECT_EQ(Next(watch), 800 * kMiB);
  EXPECT_EQ(Next(watch), 0u) << "the count does not grow any more";
}

TEST_F(MemoryWatchTest, MemoryComesBackInStepsAfterAWhileOfCalm) {
  MemoryWatch watch = Make();
  SetAvailable(0);
  for (int i = 0; i < 20; ++i) Next(watch);
  SetAvailable(300 * kMiB);
  EXPECT_EQ(Next(watch, absl::Seconds(60)), 0u) << "no room to spare";
  SetAvailable(4 * kGiB);
  EXPECT_EQ(Next(watch), kRange.budget);
  SetAvailable(200 * kMiB);
  EXPECT_EQ(Next(watch), 800 * kMiB);
  SetAvailable(812 * kMiB);  // 300 beyond twice the reserve
  EXPECT_EQ(Next(watch, absl::Seconds(19)), 0u);
  EXPECT_EQ(Next(watch, absl::Seconds(1)), 900 * kMiB);
}

}  // namespace
}  // namespace shoal::memory
