#include "coordinator/membership.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/fleet.pb.h"
#include "proto/fleet_protocol.h"

namespace shoal::coordinator {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Keeps what is sent.
class FakeLink final : public WorkerLink {
 public:
  void Send(const proto::CoordinatorMessage& message) override {
    base::MutexLock lock(mutex_);
    messages_.push_back(message);
    changed_.NotifyAll();
  }
  void Cancel() override {
    base::MutexLock lock(mutex_);
    cancelled_ = true;
    changed_.NotifyAll();
  }

  proto::CoordinatorMessage first() {
    base::MutexLock lock(mutex_);
    while (messages_.empty()) changed_.Wait(mutex_);
    return messages_.front();
  }
  void AwaitMessage(proto::CoordinatorMessage::KindCase kind) {
    base::MutexLock lock(mutex_);
    while (true) {
      for (const auto& message : messages_) {
        if (message.kind_case() == kind) return;
      }
      changed_.Wait(mutex_);
    }
  }
  void AwaitCancelled() {
    base::MutexLock lock(mutex_);
    while (!cancelled_) changed_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<proto::CoordinatorMessage> messages_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

proto::Hello HelloOf(const std::string& name, uint32_t order = 0) {
  proto::Hello hello;
  hello.set_protocol_version(proto::kFleetProtocolVersion);
  hello.set_token("secret");
  hello.set_order(order);
  hello.mutable_profile()->set_name(name);
  return hello;
}

JoinWish Count(uint32_t count) {
  JoinWish wish;
  wish.count = count;
  return wish;
}

class MembershipTest : public ::testing::Test {
 protected:
  std::unique_ptr<Membership> Make(
      absl::Duration interval, absl::Duration timeout,
      const std::vector<std::string>& device_names = {}) {
    return std::make_unique<Membership>(
        Membership::Options{"desk", "secret", interval, timeout, device_names});
  }
  std::unique_ptr<Membership> Make() {
    return Make(absl::Minutes(1), absl::Minutes(10));
  }
  // Admits `hello` and returns the refusal, or an empty one.
  static proto::Refusal RefusalOf(Membership& membership,
                                  const proto::Hello& hello) {
    const auto link = std::make_shared<FakeLink>();
    const auto worker = membership.Admit(hello, "test", link);
    const proto::CoordinatorMessage answer = link->first();
    EXPECT_EQ(worker == nullptr, answer.has_refusal());
    return answer.refusal();
  }
};

TEST_F(MembershipTest, WelcomesWhoShowsTheToken) {
  const auto membership = Make();
  const auto link = std::make_shared<FakeLink>();
  const auto worker = membership->Admit(HelloOf("pi3"), "test", link);
  ASSERT_NE(worker, nullptr);
  EXPECT_EQ(link->first().welcome().coordinator_name(), "desk");
  EXPECT_TRUE(membership->HasSession(link->first().welcome().session_key()));
  EXPECT_EQ(membership->workers().size(), 1u);
}

TEST_F(MembershipTest, RefusesAWrongTokenForGoodWithoutRepeatingIt) {
  const auto membership = Make();
  for (const std::string token : {"", "secre", "secrets", "Secret", "wrongs"}) {
    proto::Hello hello = HelloOf("pi3");
    hello.set_token(token);
    const proto::Refusal refusal = RefusalOf(*membership, hello);
    EXPECT_EQ(refusal.status().code(),
              static_cast<int>(absl::StatusCode::kPermissionDenied))
        << token;
    EXPECT_FALSE(refusal.retry());
    EXPECT_THAT(refusal.status().message(), Not(HasSubstr("secret")));
  }
  EXPECT_TRUE(membership->workers().empty());
}

TEST_F(MembershipTest, RefusesAnotherProtocolVersionNamingBoth) {
  const auto membership = Make();
  proto::Hello hello = HelloOf("pi3");
  hello.set_protocol_version(77);
  const proto::Refusal refusal = RefusalOf(*membership, hello);
  EXPECT_FALSE(refusal.retry());
  EXPECT_THAT(refusal.status().message(), HasSubstr("77"));
  EXPECT_THAT(refusal.status().message(),
              HasSubstr(std::to_string(proto::kFleetProtocolVersion)));
}

TEST_F(MembershipTest, RefusesANameThatIsTakenButLetsItTryAgain) {
  const auto membership = Make();
  ASSERT_FALSE(RefusalOf(*membership, HelloOf("pi3")).has_status());
  for (const std::string name : {"pi3", "desk"}) {
    const proto::Refusal refusal = RefusalOf(*membership, HelloOf(name));
    EXPECT_TRUE(refusal.retry()) << name;
    EXPECT_THAT(refusal.status().message(), HasSubstr(name));
  }
}

TEST_F(MembershipTest, RefusesNamesThatCannotBePrinted) {
  const auto membership = Make();
  for (const std::string& name : {std::string(), std::string(65, 'x'),
                                  std::string("a b"), std::string("a\n")}) {
    EXPECT_EQ(RefusalOf(*membership, HelloOf(name)).status().code(),
              static_cast<int>(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(MembershipTest, RanksByOrderThenByName) {
  const auto membership = Make();
  const auto link = std::make_shared<FakeLink>();
  membership->Admit(HelloOf("d", 2), "test", link);
  membership->Admit(HelloOf("c", 2), "test", link);
  membership->Admit(HelloOf("b", 1), "test", link);
  membership->Admit(HelloOf("a", 0), "test", link);
  std::string names;
  for (const auto& worker : membership->workers()) names += worker->name();
  EXPECT_EQ(names, "abcd");
}

TEST_F(MembershipTest, TooFewWorkersIsAnErrorThatCountsAndTellsOfRefusals) {
  const auto membership = Make();
  RefusalOf(*membership, HelloOf("pi3"));
  proto::Hello stranger = HelloOf("stranger");
  stranger.set_token("wrong");
  RefusalOf(*membership, stranger);
  const absl::Status waited =
      membership->WaitFor(Count(2), absl::Now(), nullptr, nullptr);
  EXPECT_EQ(waited.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(waited.message(), HasSubstr("1 of 2"));
  EXPECT_THAT(waited.message(), HasSubstr("stranger"));
  EXPECT_THAT(waited.message(), HasSubstr("token"));
}

TEST_F(MembershipTest, WaitingTellsOfEveryJoin) {
  const auto membership = Make();
  RefusalOf(*membership, HelloOf("pi3"));
  RefusalOf(*membership, HelloOf("pi4"));
  std::string told;
  ASSERT_TRUE(membership
                  ->WaitFor(
                      Count(2), absl::InfiniteFuture(),
                      [&](const JoinProgress& progress) {
                        told += progress.device + " ";
                        EXPECT_EQ(progress.expected, 2u);
                      },
                      nullptr)
                  .ok());
  EXPECT_EQ(told, "pi3 pi4 ");
}

TEST_F(MembershipTest, WaitingForNamesSaysWhichAreMissing) {
  const auto membership = Make();
  RefusalOf(*membership, HelloOf("pi3"));
  JoinWish wish;
  wish.names = {"pi3", "pi5"};
  const absl::Status late =
      membership->WaitFor(wish, absl::Now(), nullptr, nullptr);
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(late.message(), HasSubstr("1 of 2"));
  EXPECT_THAT(late.message(), HasSubstr("missing: pi5;"));
  RefusalOf(*membership, HelloOf("pi5"));
  EXPECT_TRUE(
      membership->WaitFor(wish, absl::InfiniteFuture(), nullptr, nullptr).ok());
}

// Not before the settle time, and at once when no more can come.
TEST_F(MembershipTest, WaitingSettlesAfterTheLastOne) {
  const auto membership = Make();
  RefusalOf(*membership, HelloOf("pi3"));
  const absl::Time begin = absl::Now();
  JoinWish wish;
  wish.count = 1;
  wish.settle = absl::Milliseconds(150);
  EXPECT_TRUE(
      membership->WaitFor(wish, absl::InfiniteFuture(), nullptr, nullptr).ok());
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(140));
  wish.settle = absl::InfiniteDuration();
  wish.count_max = 1;
  EXPECT_TRUE(
      membership->WaitFor(wish, absl::InfiniteFuture(), nullptr, nullptr).ok());
}

TEST_F(MembershipTest, OnlyListedDevicesJoinAndTheyAreRankedAsListed) {
  const auto membership = Make(absl::Minutes(1), absl::Minutes(1), {"b", "a"});
  EXPECT_FALSE(RefusalOf(*membership, HelloOf("a")).has_status());
  EXPECT_FALSE(RefusalOf(*membership, HelloOf("b")).has_status());
  const proto::Refusal refusal = RefusalOf(*membership, HelloOf("stranger"));
  EXPECT_THAT(refusal.status().message(), HasSubstr("no device stranger"));
  EXPECT_THAT(refusal.status().message(), HasSubstr("(it has b, a)"));
  EXPECT_TRUE(refusal.retry());
  std::string names;
  for (const auto& worker : membership->workers()) names += worker->name();
  EXPECT_EQ(names, "ba");
}

TEST_F(MembershipTest, WaitingEndsWhenItIsCancelled) {
  const auto membership = Make();
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(
      membership->WaitFor(Count(1), absl::InfiniteFuture(), nullptr, &cancel)
          .code(),
      absl::StatusCode::kCancelled);
}

TEST_F(MembershipTest, SendsHeartbeats) {
  const auto membership = Make(absl::Milliseconds(1), absl::Minutes(1));
  const auto link = std::make_shared<FakeLink>();
  membership->Admit(HelloOf("pi3"), "test", link);
  link->AwaitMessage(proto::CoordinatorMessage::kHeartbeat);
}

TEST_F(MembershipTest, AWorkerThatFallsSilentIsLostAndItsStreamCancelled) {
  const auto membership = Make(absl::Milliseconds(1), absl::Milliseconds(5));
  const auto link = std::make_shared<FakeLink>();
  const auto worker = membership->Admit(HelloOf("pi3"), "test", link);
  ASSERT_NE(worker, nullptr);
  link->AwaitCancelled();
  EXPECT_TRUE(worker->lost());
}

TEST_F(MembershipTest, ALossBeforeThePlanReachesThePlan) {
  const auto membership = Make();
  const auto link = std::make_shared<FakeLink>();
  const auto worker = membership->Admit(HelloOf("pi3"), "test", link);
  membership->Remove(worker, absl::UnavailableError("broke"));
  EXPECT_TRUE(membership->workers().empty());
  const auto epoch =
      std::make_shared<Epoch>(1, std::vector<std::string>{"desk", "pi3"},
                              absl::ZeroDuration(), [](const absl::Status&) {});
  worker->Attach(epoch, 1);
  EXPECT_EQ(epoch->Cause(), absl::UnavailableError("pi3 (rank 1): broke"));
}

TEST_F(MembershipTest, NobodyWaitsForADrainedDevice) {
  const auto membership = Make();
  const auto link = std::make_shared<FakeLink>();
  const auto worker = membership->Admit(HelloOf("pi3"), "test", link);
  membership->Admit(HelloOf("pi4"), "test", std::make_shared<FakeLink>());
  JoinWish wish = Count(3);
  wish.names = {"pi3", "pi4", "pi5"};
  const auto wait = [&] {
    return membership->WaitFor(wish, absl::InfinitePast(), nullptr, nullptr);
  };
  EXPECT_EQ(wait().code(), absl::StatusCode::kDeadlineExceeded);
  membership->SetDrained("pi5", true);  // it never came
  EXPECT_TRUE(wait().ok());
  membership->SetDrained("pi3", true);  // it is here, and may go
  EXPECT_TRUE(wait().ok());
  membership->Remove(worker, absl::UnavailableError("its power is off"));
  EXPECT_TRUE(wait().ok());
  membership->SetDrained("pi5", false);
  EXPECT_THAT(wait().message(),
              HasSubstr("1 of 2 workers joined in time; missing: pi5"));
}

TEST_F(MembershipTest, ADrainedDeviceStaysDrainedAndAMemberWhenItComesBack) {
  const auto membership = Make();
  const auto first =
      membership->Admit(HelloOf("pi3"), "test", std::make_shared<FakeLink>());
  EXPECT_FALSE(membership->SetDrainedIfAway("pi3", true));
  EXPECT_TRUE(membership->drained().empty());
  membership->SetDrained("pi3", true);
  EXPECT_EQ(membership->workers().size(), 1u);
  EXPECT_TRUE(membership->active_workers().empty());
  membership->Remove(first, absl::UnavailableError("it restarts"));
  EXPECT_TRUE(membership->known_devices().contains("pi3"));
  membership->Admit(HelloOf("pi3"), "test", std::make_shared<FakeLink>());
  EXPECT_TRUE(membership->active_workers().empty());
  membership->SetDrained("pi3", false);
  EXPECT_EQ(membership->active_workers().size(), 1u);
}

TEST_F(MembershipTest, NewsOfAnotherEpochIsDropped) {
  const auto membership = Make();
  const auto worker =
      membership->Admit(HelloOf("pi3"), "test", std::make_shared<FakeLink>());
  const auto epoch =
      std::make_shared<Epoch>(2, std::vector<std::string>{"desk", "pi3"},
                              absl::ZeroDuration(), [](const absl::Status&) {});
  worker->Attach(epoch, 1);
  proto::WorkerMessage message;
  message.mutable_failed()->set_epoch(1);
  message.mutable_failed()->mutable_status()->set_code(2);
  worker->OnMessage(message);
  EXPECT_FALSE(epoch->failed());
  message.mutable_failed()->set_epoch(2);
  worker->OnMessage(message);
  EXPECT_TRUE(epoch->failed());
}

TEST_F(MembershipTest, ShutdownTellsTheWorkersAndAdmitsNoMore) {
  const auto membership = Make();
  const auto link = std::make_shared<FakeLink>();
  membership->Admit(HelloOf("pi3"), "test", link);
  membership->Shutdown();
  link->AwaitMessage(proto::CoordinatorMessage::kShutdown);
  EXPECT_TRUE(RefusalOf(*membership, HelloOf("pi4")).retry());
}

}  // namespace
}  // namespace shoal::coordinator
