#include "cli/local_fleet.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Workers that are shell scripts; keeps what the fleet says of their ends.
class LocalFleetTest : public ::testing::Test {
 protected:
  std::unique_ptr<LocalFleet> Start(const std::vector<std::string>& scripts) {
    LocalFleet::Options options;
    options.program = "/bin/sh";
    options.environment = {"SHOAL_TEST_SECRET=open sesame"};
    for (size_t i = 0; i < scripts.size(); ++i) {
      options.workers.push_back(
          {absl::StrCat("worker-", i), {"-c", scripts[i]}});
    }
    options.on_exit = [this](const std::string& name, const std::string& why) {
      base::MutexLock lock(mutex_);
      ends_.push_back(absl::StrCat(name, " ", why));
      changed_.NotifyAll();
    };
    auto fleet = LocalFleet::Start(std::move(options));
    EXPECT_TRUE(fleet.ok()) << fleet.status();
    return *std::move(fleet);
  }

  std::string FirstEnd() {
    base::MutexLock lock(mutex_);
    while (ends_.empty()) changed_.Wait(mutex_);
    return ends_[0];
  }

  size_t EndCount() {
    base::MutexLock lock(mutex_);
    return ends_.size();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::string> ends_ ABSL_GUARDED_BY(mutex_);
};

bool IsGone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

TEST_F(LocalFleetTest, TellsHowAWorkerEndedWithItsLastWords) {
  const auto fleet = Start({"echo first >&2; echo 'no memory' >&2; exit 7"});
  EXPECT_EQ(FirstEnd(), "worker-0 ended with exit code 7: no memory");
}

TEST_F(LocalFleetTest, TellsTheSignalThatEndedAWorker) {
  const auto fleet = Start({"kill -9 $$"});
  EXPECT_THAT(FirstEnd(), HasSubstr("was ended by signal 9"));
}

// A control group with a limit, of version 1 or 2; empty if none can be made.
std::string LimitedGroup() {
  for (const auto& [root, limit] :
       {std::pair("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        std::pair("/sys/fs/cgroup", "memory.max")}) {
    const std::string path = absl::StrCat(root, "/shoal-test-", getpid());
    std::error_code error;
    if (!std::filesystem::create_directory(path, error)) continue;
    std::ofstream file(absl::StrCat(path, "/", limit));
    if (file.is_open() && file << "20M" << std::flush) return path;
    std::filesystem::remove(path, error);
  }
  return "";
}

TEST_F(LocalFleetTest, TellsThatTheSystemKilledAWorkerForMemory) {
  const std::string group = LimitedGroup();
  if (group.empty()) GTEST_SKIP() << "no control group can be made here";
  {
    // The shell itself keeps the long text.
    const auto fleet = Start({absl::StrCat(
        "echo $$ > ", group, "/cgroup.procs && ",
        "text=$(head -c 100m /dev/zero | tr '\\0' x); echo ${#text} >&2")});
    EXPECT_THAT(FirstEnd(), AllOf(HasSubstr("by the system for memory"),
                                  HasSubstr("--memory")));
  }
  // The others of the group end a moment later.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  std::error_code error;
  do {
    std::filesystem::remove(group, error);
  } while (error && absl::Now() < deadline);
  EXPECT_FALSE(error) << error.message();
}

TEST_F(LocalFleetTest, ALineIsToldThoughNoOtherFollows) {
  ::testing::internal::CaptureStderr();
  const auto fleet = Start({"echo 'a unit is damaged' >&2; sleep 1; exit 3"});
  EXPECT_EQ(FirstEnd(), "worker-0 ended with exit code 3: a unit is damaged");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "worker-0: a unit is damaged\n");
}

TEST_F(LocalFleetTest, HandsTheEnvironmentToWorkers) {
  const auto fleet = Start({"echo $SHOAL_TEST_SECRET >&2"});
  EXPECT_THAT(FirstEnd(), HasSubstr("open sesame"));
}

TEST_F(LocalFleetTest, StopKillsWhoDoesNotEndInTimeAndReapsAll) {
  const auto fleet = Start({"exec sleep 600", "exec sleep 600"});
  const std::vector<pid_t> pids = fleet->pids();
  ASSERT_EQ(pids.size(), 2u);
  EXPECT_FALSE(IsGone(pids[0]));
  fleet->Stop(absl::Now());
  EXPECT_TRUE(IsGone(pids[0]));
  EXPECT_TRUE(IsGone(pids[1]));
  EXPECT_EQ(EndCount(), 0u);  // an end that was asked for is no news
}

TEST_F(LocalFleetTest, TheDestructorLeavesNoWorker) {
  std::vector<pid_t> pids;
  {
    const auto fleet = Start({"exec sleep 600"});
    pids = fleet->pids();
  }
  EXPECT_TRUE(IsGone(pids[0]));
}

TEST_F(LocalFleetTest, AWorkerIgnoresTheInterruptOfTheTerminal) {
  const auto fleet = Start({"kill -INT $$; exit 5"});
  EXPECT_THAT(FirstEnd(), HasSubstr("exit code 5"));
}

TEST_F(LocalFleetTest, SaysThatAProgramCannotBeStarted) {
  LocalFleet::Options options;
  options.program = "/nonexistent/shoal";
  options.workers.push_back({"worker-0", {}});
  base::Mutex mutex;
  base::CondVar changed;
  std::string end;
  options.on_exit = [&](const std::string&, const std::string& why) {
    base::MutexLock lock(mutex);
    end = why;
    changed.NotifyAll();
  };
  const auto fleet = LocalFleet::Start(std::move(options));
  ASSERT_TRUE(fleet.ok());
  base::MutexLock lock(mutex);
  while (end.empty()) changed.Wait(mutex);
  EXPECT_EQ(end, "ended with exit code 127");
}

}  // namespace
}  // namespace shoal::cli
