#include "cli/local_fleet.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
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
