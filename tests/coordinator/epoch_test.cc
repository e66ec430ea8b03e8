#include "coordinator/epoch.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

using ::testing::HasSubstr;

class EpochTest : public ::testing::Test {
 protected:
  std::unique_ptr<Epoch> Make(absl::Duration cause_wait) {
    return std::make_unique<Epoch>(
        1, std::vector<std::string>{"desk", "pi3", "pi4"}, cause_wait,
        [this](const absl::Status& why) { aborts_.push_back(why); });
  }

  std::vector<absl::Status> aborts_;
};

TEST_F(EpochTest, NothingFailedMeansNoCause) {
  const auto epoch = Make(absl::ZeroDuration());
  EXPECT_FALSE(epoch->failed());
  EXPECT_TRUE(epoch->Cause().ok());
}

TEST_F(EpochTest, TheFirstFailureAbortsAllRanksOnceAndNamesTheDevice) {
  const auto epoch = Make(absl::ZeroDuration());
  epoch->OnFailure(1, FailureSource::kWorker, absl::DataLossError("torn"));
  epoch->OnFailure(2, FailureSource::kWorker, absl::DataLossError("too"));
  ASSERT_EQ(aborts_.size(), 1u);
  EXPECT_EQ(aborts_[0].message(), "pi3 (rank 1): torn");
}

TEST_F(EpochTest, AWorkersOwnReasonBeatsABrokenStreamBeatsAClosedPeer) {
  const auto epoch = Make(absl::ZeroDuration());
  epoch->OnFailure(0, FailureSource::kRank0,
                   absl::UnavailableError("rank 2 closed its end"));
  EXPECT_THAT(epoch->Cause().message(), HasSubstr("desk (rank 0)"));
  epoch->OnFailure(1, FailureSource::kWorker,
                   absl::UnavailableError("rank 2 closed its end"));
  EXPECT_THAT(epoch->Cause().message(), HasSubstr("pi3 (rank 1)"));
  epoch->OnFailure(2, FailureSource::kLost, absl::UnavailableError("broke"));
  EXPECT_EQ(epoch->Cause(), absl::UnavailableError("pi4 (rank 2): broke"));
  epoch->OnFailure(1, FailureSource::kWorker, absl::DataLossError("torn"));
  EXPECT_EQ(epoch->Cause(), absl::DataLossError("pi3 (rank 1): torn"));
}

TEST_F(EpochTest, OfEqualFailuresTheFirstIsTheCause) {
  const auto epoch = Make(absl::ZeroDuration());
  epoch->OnFailure(2, FailureSource::kLost, absl::UnavailableError("first"));
  epoch->OnFailure(1, FailureSource::kLost, absl::UnavailableError("second"));
  EXPECT_THAT(epoch->Cause().message(), HasSubstr("first"));
}

TEST_F(EpochTest, AConsequenceWaitsForTheReasonThatComesLater) {
  const auto epoch = Make(absl::Minutes(10));
  epoch->OnFailure(0, FailureSource::kRank0, absl::UnavailableError("closed"));
  std::thread later([&] {
    epoch->OnFailure(2, FailureSource::kLost, absl::UnavailableError("died"));
  });
  EXPECT_THAT(epoch->Cause().message(), HasSubstr("pi4 (rank 2): died"));
  later.join();
}

TEST_F(EpochTest, AfterCloseFailuresAreNoNews) {
  const auto epoch = Make(absl::ZeroDuration());
  epoch->Close();
  epoch->OnFailure(1, FailureSource::kLost, absl::UnavailableError("gone"));
  EXPECT_FALSE(epoch->failed());
  EXPECT_TRUE(aborts_.empty());
}

TEST(EpochCloseTest, WaitsForTheCallbackThatRuns) {
  std::atomic<bool> entered = false, release = false, done = false;
  Epoch epoch(1, {"desk"}, absl::ZeroDuration(), [&](const absl::Status&) {
    entered = true;
    while (!release) std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    done = true;
  });
  std::thread failing([&] {
    epoch.OnFailure(0, FailureSource::kRank0, absl::DataLossError("torn"));
  });
  while (!entered) std::this_thread::yield();
  release = true;
  epoch.Close();
  EXPECT_TRUE(done);
  failing.join();
}

TEST_F(EpochTest, LoadedWhenEveryRankIsWithTheEndpointsByRank) {
  const auto epoch = Make(absl::ZeroDuration());
  std::vector<std::string> shown;
  epoch->OnProgress(1, {3, 10, "fetching"});
  epoch->OnLoaded(2, {});
  epoch->OnLoaded(0, {{1, "a"}, {2, "b"}});
  epoch->OnLoaded(1, {{2, "c"}});
  const auto endpoints = epoch->AwaitLoaded(
      absl::Minutes(1),
      [&](const Epoch::Progress& progress) {
        shown.push_back(std::to_string(progress.rank) + progress.load.what);
      },
      nullptr);
  ASSERT_TRUE(endpoints.ok());
  ASSERT_EQ(endpoints->size(), 3u);
  EXPECT_EQ((*endpoints)[0].at(2), "b");
  EXPECT_EQ((*endpoints)[1].at(2), "c");
  EXPECT_EQ(shown, std::vector<std::string>{"1fetching"});
}

TEST_F(EpochTest, ARankThatSaysNothingWhileLoadingIsNamed) {
  const auto epoch = Make(absl::ZeroDuration());
  epoch->OnLoaded(0, {});
  epoch->OnLoaded(1, {});
  const auto endpoints =
      epoch->AwaitLoaded(absl::Milliseconds(1), nullptr, nullptr);
  EXPECT_EQ(endpoints.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(endpoints.status().message(), HasSubstr("pi4 (rank 2)"));
}

TEST_F(EpochTest, LoadingEndsWhenItIsCancelled) {
  const auto epoch = Make(absl::ZeroDuration());
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(
      epoch->AwaitLoaded(absl::Minutes(1), nullptr, &cancel).status().code(),
      absl::StatusCode::kCancelled);
}

TEST_F(EpochTest, ALateLinkNamesTheRanksThatAreMissing) {
  const auto epoch = Make(absl::ZeroDuration());
  epoch->OnConnected(0);
  const absl::Status linked = epoch->AwaitConnected(absl::Now());
  EXPECT_EQ(linked.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(linked.message(), HasSubstr("pi3 (rank 1), pi4 (rank 2)"));
  epoch->OnConnected(1);
  epoch->OnConnected(2);
  EXPECT_TRUE(epoch->AwaitConnected(absl::Now()).ok());
}

TEST_F(EpochTest, AFailureEndsTheWaits) {
  const auto epoch = Make(absl::ZeroDuration());
  epoch->OnFailure(1, FailureSource::kWorker,
                   absl::ResourceExhaustedError("floor 40 MiB"));
  EXPECT_EQ(epoch->AwaitLoaded(absl::Minutes(1), nullptr, nullptr).status(),
            absl::ResourceExhaustedError("pi3 (rank 1): floor 40 MiB"));
  EXPECT_EQ(epoch->AwaitConnected(absl::InfiniteFuture()),
            absl::ResourceExhaustedError("pi3 (rank 1): floor 40 MiB"));
}

}  // namespace
}  // namespace shoal::coordinator
