// Draining, resuming and planning again while requests are served, with ranks
// that do no mathematics on workers that join over gRPC.

#include "coordinator/fleet_changes.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/fake_rank.h"
#include "worker/worker_service.h"

namespace shoal::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = FleetChange::Kind;

constexpr absl::Duration kPatience = absl::Seconds(30);

parallel::DeviceProfile ProfileOf(const std::string& name) {
  parallel::DeviceProfile profile;
  profile.name = name;
  profile.budget_bytes = uint64_t{1} << 32;
  return profile;
}

class TestWorker {
 public:
  TestWorker(worker::WorkerServiceOptions options, const std::string& name)
      : service_(std::move(options), rank, ProfileOf(name)),
        thread_([this] { service_.Run().IgnoreError(); }) {}
  ~TestWorker() {
    service_.Stop();
    thread_.join();
  }

  FakeRank rank;

 private:
  worker::WorkerService service_;
  std::thread thread_;
};

// A service of desk, pi3 and pi4.
class FleetChangesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rank0_.on_pass = [this](const parallel::Pass& pass,
                            std::span<const float> residual,
                            std::span<float> logits) {
      {
        base::MutexLock lock(mutex_);
        ++arrived_;
        changed_.NotifyAll();
        while (passes_left_ == 0) changed_.Wait(mutex_);
        --passes_left_;
      }
      return Speak(pass, residual, logits);
    };
    coordinator_ = Coordinator::Create({}, rank0_, ProfileOf("desk"));
    const auto address = coordinator_->Listen();
    ASSERT_TRUE(address.ok()) << address.status();
    worker_options_.coordinator_address = *address;
    worker_options_.backoff_min = absl::Milliseconds(1);
    worker_options_.backoff_max = absl::Milliseconds(20);
    pi3_ = Join("pi3");
    pi4_ = Join("pi4");
    ASSERT_TRUE(Wait(2).ok());
    plan_.run.context_positions = 64;
    plan_.run.session_count = 2;
    plan_.run.logits_rows_max = 2;
    ASSERT_TRUE(coordinator_->LoadModel(path_, plan_, nullptr).ok());
    queue_ =
        std::make_unique<RequestQueue>(RequestQueue::Options(), *coordinator_);
    changes_ =
        std::make_unique<FleetChanges>(ChangeOptions(), *coordinator_, *queue_);
    queue_->SetReady(2);
    changes_->SetServing();
  }
  ~FleetChangesTest() override {
    Let(1 << 20);
    if (changes_ != nullptr) changes_->Close();
    queue_ = nullptr;
  }

  std::unique_ptr<TestWorker> Join(const std::string& name) const {
    return std::make_unique<TestWorker>(worker_options_, name);
  }
  absl::Status Wait(uint32_t count) {
    return coordinator_->WaitForWorkers(count, absl::Now() + kPatience,
                                        nullptr);
  }

  FleetChanges::Options ChangeOptions() {
    FleetChanges::Options options;
    options.try_plan = [this](const std::set<std::string>& drained) {
      if (!plan_refusal_.ok()) return plan_refusal_;
      return coordinator_->TryPlan(plan_, drained).status();
    };
    options.reload = [this](const auto& progress) -> absl::StatusOr<uint32_t> {
      const absl::Status loaded = coordinator_->Reload(plan_, progress);
      if (!loaded.ok()) return loaded;
      return plan_.run.session_count;
    };
    return options;
  }

  void Let(int passes) {
    base::MutexLock lock(mutex_);
    passes_left_ += passes;
    changed_.NotifyAll();
  }
  bool HasNews(absl::string_view text) {
    base::MutexLock lock(mutex_);
    return std::any_of(news_.begin(), news_.end(), [&](const auto& line) {
      return absl::StrContains(line, text);
    });
  }
  void AwaitPasses(int count) {
    base::MutexLock lock(mutex_);
    while (arrived_ < count) changed_.Wait(mutex_);
  }

  // Asks by a thread of its own, as the services do, while this one works.
  absl::Status Change(Kind kind, const std::string& device,
                      absl::Duration patience = kPatience) {
    std::atomic<bool> done = false;
    absl::Status answer;
    std::thread asker([&] {
      answer =
          changes_->Ask({kind, device, patience}, [&](absl::string_view line) {
            base::MutexLock lock(mutex_);
            news_.emplace_back(line);
          });
      done = true;
    });
    while (!done) {
      fault_.Update(changes_->Work(nullptr));
      std::this_thread::yield();
    }
    asker.join();
    return answer;
  }

  std::shared_ptr<RequestStream> Submit(uint32_t tokens) {
    GenerateRequest request;
    request.prompt = std::vector<int32_t>{5, 6, 7};
    request.max_tokens = tokens;
    request.sampling.temperature = 0;
    request.ignore_eos = true;
    auto stream = queue_->Submit(request);
    EXPECT_TRUE(stream.ok()) << stream.status();
    return *stream;
  }
  static std::vector<int32_t> TokensOf(RequestStream& stream) {
    for (;;) {
      RequestNews news = stream.Next(absl::Now() + kPatience);
      if (!news.end && news.empty()) ADD_FAILURE() << "no news";
      if (!news.end && !news.empty()) continue;
      if (!news.end || !news.end->ok()) return {};
      return (*news.end)->token_ids;
    }
  }
  std::vector<std::string> Ranks() const {
    return coordinator_->plan().device_names;
  }

  const std::string path_ = std::string(std::getenv("SHOAL_SOURCE_DIR")) +
                            "/models/shoal-stories-3m-q8_0.gguf";
  base::Mutex mutex_;
  base::CondVar changed_;
  int passes_left_ ABSL_GUARDED_BY(mutex_) = 0;
  int arrived_ ABSL_GUARDED_BY(mutex_) = 0;
  FakeRank rank0_;
  PlanOptions plan_;
  absl::Status plan_refusal_;
  absl::Status fault_;
  std::vector<std::string> news_ ABSL_GUARDED_BY(mutex_);
  worker::WorkerServiceOptions worker_options_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<TestWorker> pi3_, pi4_;
  std::unique_ptr<RequestQueue> queue_;
  std::unique_ptr<FleetChanges> changes_;
};

TEST_F(FleetChangesTest, ADrainedDeviceIsOutOfThePlanAndComesBack) {
  ASSERT_THAT(Ranks(), ElementsAre("desk", "pi3", "pi4"));
  const absl::Status drained = Change(Kind::kDrain, "pi3");
  ASSERT_TRUE(drained.ok()) << drained;
  EXPECT_THAT(Ranks(), ElementsAre("desk", "pi4"));
  EXPECT_THAT(coordinator_->drained(), ElementsAre("pi3"));
  const std::vector<DeviceState> devices = coordinator_->devices();
  ASSERT_EQ(devices.size(), 3u);
  EXPECT_EQ(devices[1].profile.name, "pi3");
  EXPECT_TRUE(devices[1].is_drained);
  EXPECT_EQ(devices[1].rank, -1);
  pi3_->rank.AwaitUnloaded(1);
  EXPECT_TRUE(HasNews("pi3 drained by an operator"));

  const uint64_t fetched = pi3_->rank.fetched_bytes();
  const absl::Status resumed = Change(Kind::kResume, "pi3");
  ASSERT_TRUE(resumed.ok()) << resumed;
  EXPECT_THAT(Ranks(), ElementsAre("desk", "pi3", "pi4"));
  EXPECT_EQ(pi3_->rank.fetched_bytes(), fetched);  // it kept its units
  EXPECT_TRUE(fault_.ok());
  Let(1 << 20);
  EXPECT_EQ(TokensOf(*Submit(4)).size(), 4u);
}

TEST_F(FleetChangesTest, ReplanTakesInWhoJoinedLater) {
  const auto pi5 = Join("pi5");
  ASSERT_TRUE(Wait(3).ok());
  EXPECT_EQ(Ranks().size(), 3u);
  ASSERT_TRUE(Change(Kind::kReplan, "").ok());
  EXPECT_THAT(Ranks(), ElementsAre("desk", "pi3", "pi4", "pi5"));
}

TEST_F(FleetChangesTest, AskingEndsTheWaitOfTheOwner) {
  absl::Status answer = absl::UnknownError("not asked");
  std::thread asker([&] {
    answer = changes_->Ask({Kind::kReplan, "", kPatience}, [](auto) {});
  });
  EXPECT_EQ(queue_->WaitForFault(absl::InfiniteFuture()), ServiceState::kReady);
  EXPECT_TRUE(changes_->Work(nullptr).ok());
  asker.join();
  EXPECT_TRUE(answer.ok()) << answer;
}

TEST_F(FleetChangesTest, RequestsUnderWayFinishFirstWhileNewOnesWait) {
  const auto running = Submit(6);
  AwaitPasses(1);
  std::shared_ptr<RequestStream> late;
  std::thread requests([&] {
    while (!HasNews("waiting for 1 request under way")) {
      std::this_thread::yield();
    }
    late = Submit(6);
    EXPECT_EQ(queue_->counters().waiting_count, 1u);
    Let(1 << 20);
  });
  ASSERT_TRUE(Change(Kind::kDrain, "pi4").ok());
  requests.join();
  EXPECT_EQ(TokensOf(*running).size(), 6u);
  EXPECT_EQ(TokensOf(*late).size(), 6u);
  EXPECT_FALSE(HasNews("go on with the new plan"));
  // The late one has no part in the plan before.
  for (const parallel::Pass& pass : rank0_.passes()) {
    if (pass.epoch == 1) {
      EXPECT_EQ(pass.rows.size(), 1u);
    }
  }
  EXPECT_EQ(queue_->counters().failed_count, 0u);
  EXPECT_EQ(queue_->counters().refused_count, 0u);
}

TEST_F(FleetChangesTest, WhatRunsLongerThanThePatienceGoesOnWithTheNewPlan) {
  Let(1 << 20);
  const std::vector<int32_t> alone = TokensOf(*Submit(40));
  ASSERT_EQ(alone.size(), 40u);
  {
    base::MutexLock lock(mutex_);
    passes_left_ = 0;
    arrived_ = 0;
  }
  const auto first = Submit(40);
  const auto second = Submit(40);
  AwaitPasses(1);
  Let(10);
  AwaitPasses(11);  // some tokens of each are there; a pass is held
  std::thread opens([&] {
    // The pass under way ends; the next one must belong to the new plan.
    while (!HasNews("go on with the new plan")) std::this_thread::yield();
    Let(1 << 20);
  });
  const uint64_t before = coordinator_->plan().epoch;
  ASSERT_TRUE(Change(Kind::kDrain, "pi4", absl::ZeroDuration()).ok());
  opens.join();
  EXPECT_GT(coordinator_->plan().epoch, before);
  EXPECT_EQ(TokensOf(*first), alone);
  EXPECT_EQ(TokensOf(*second), alone);
  // A row that begins at 0 with more than the prompt: computed again.
  bool replayed = false;
  for (const parallel::Pass& pass : rank0_.passes()) {
    for (const parallel::PassRow& row : pass.rows) {
      replayed |= row.first_position == 0 && row.token_count > 3;
    }
  }
  EXPECT_TRUE(replayed);
  EXPECT_EQ(queue_->counters().finished_count, 3u);
}

TEST_F(FleetChangesTest, RefusesWhatCannotBeAndKeepsThePlan) {
  const uint64_t epoch = coordinator_->plan().epoch;
  const auto refused = [&](Kind kind, const std::string& device) {
    const absl::Status status = Change(kind, device);
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  };
  EXPECT_EQ(refused(Kind::kDrain, "pi9"),
            "this fleet has no device pi9 (it has desk, pi3, pi4)");
  EXPECT_THAT(refused(Kind::kDrain, "desk"), HasSubstr("coordinator's own"));
  EXPECT_THAT(refused(Kind::kResume, "desk"), HasSubstr("never drained"));
  EXPECT_EQ(refused(Kind::kResume, "pi3"), "pi3 is not drained");
  plan_refusal_ = absl::ResourceExhaustedError("pi4 is 3 MiB short");
  EXPECT_EQ(refused(Kind::kDrain, "pi3"),
            "the model would not fit without pi3: pi4 is 3 MiB short; nothing "
            "was changed");
  plan_refusal_ = absl::OkStatus();
  plan_.tensor_parallel = 3;
  EXPECT_THAT(refused(Kind::kDrain, "pi3"),
              HasSubstr("needs 3 devices, but there are 2"));
  plan_.tensor_parallel = 0;
  EXPECT_EQ(coordinator_->plan().epoch, epoch);
  EXPECT_TRUE(coordinator_->drained().empty());
  ASSERT_TRUE(Change(Kind::kDrain, "pi3").ok());
  EXPECT_THAT(refused(Kind::kDrain, "pi3"), HasSubstr("is drained already"));
  Let(1 << 20);
  EXPECT_EQ(TokensOf(*Submit(4)).size(), 4u);
}

TEST_F(FleetChangesTest, TheLastDeviceThatComputesIsNotDrained) {
  queue_ = nullptr;
  coordinator_->Shutdown();
  parallel::DeviceProfile desk = ProfileOf("desk");
  desk.computes = false;
  coordinator_ = Coordinator::Create({}, rank0_, desk);
  const auto address = coordinator_->Listen();
  ASSERT_TRUE(address.ok());
  worker_options_.coordinator_address = *address;
  const auto only = Join("pi1");
  ASSERT_TRUE(Wait(1).ok());
  ASSERT_TRUE(coordinator_->LoadModel(path_, plan_, nullptr).ok());
  queue_ =
      std::make_unique<RequestQueue>(RequestQueue::Options(), *coordinator_);
  queue_->SetReady(2);
  changes_ =
      std::make_unique<FleetChanges>(ChangeOptions(), *coordinator_, *queue_);
  changes_->SetServing();
  EXPECT_THAT(Change(Kind::kDrain, "pi1").message(),
              HasSubstr("pi1 is the last device that computes"));
}

TEST_F(FleetChangesTest, OfExplicitSharesTheOthersKeepTheirs) {
  plan_.shares = {1, 2, 1};
  ASSERT_TRUE(Change(Kind::kReplan, "").ok());
  plan_.head = parallel::HeadPlacement::kSharded;
  ASSERT_TRUE(Change(Kind::kDrain, "pi4").ok());
  ASSERT_THAT(Ranks(), ElementsAre("desk", "pi3"));
  const parallel::Plan plan = coordinator_->plan();
  const double ratio = static_cast<double>(plan.UnitsOf(1).size()) /
                       static_cast<double>(plan.UnitsOf(0).size());
  EXPECT_NEAR(ratio, 2, 0.7);
}

TEST_F(FleetChangesTest, AFailureToLoadBringsThePlanBeforeBack) {
  // Only a plan without pi3 fails.
  pi4_->rank.load_status = absl::OkStatus();
  auto broken = std::make_shared<std::atomic<int>>(0);
  FleetChanges::Options options = ChangeOptions();
  options.reload = [this,
                    broken](const auto& progress) -> absl::StatusOr<uint32_t> {
    pi4_->rank.load_status = (*broken)++ == 0
                                 ? absl::UnavailableError("its disk is full")
                                 : absl::OkStatus();
    const absl::Status loaded = coordinator_->Reload(plan_, progress);
    if (!loaded.ok()) return loaded;
    return plan_.run.session_count;
  };
  changes_ = std::make_unique<FleetChanges>(options, *coordinator_, *queue_);
  changes_->SetServing();
  const absl::Status status = Change(Kind::kDrain, "pi3");
  EXPECT_THAT(status.message(),
              HasSubstr("draining pi3 failed: pi4 (rank 1): its disk is full"));
  EXPECT_THAT(status.message(), HasSubstr("from before serve again"));
  EXPECT_TRUE(fault_.ok()) << fault_;
  EXPECT_TRUE(coordinator_->drained().empty());
  EXPECT_THAT(Ranks(), ElementsAre("desk", "pi3", "pi4"));
  Let(1 << 20);
  EXPECT_EQ(TokensOf(*Submit(4)).size(), 4u);
}

TEST_F(FleetChangesTest, OneChangeAtATime) {
  const auto running = Submit(6);
  AwaitPasses(1);
  std::thread drains([&] { EXPECT_TRUE(Change(Kind::kDrain, "pi3").ok()); });
  while (!HasNews("waiting for 1 request")) std::this_thread::yield();
  const absl::Status second =
      changes_->Ask({Kind::kDrain, "pi4", kPatience}, [](auto) {});
  EXPECT_THAT(second.message(),
              HasSubstr("another change is in progress, draining pi3"));
  Let(1 << 20);
  drains.join();
}

TEST_F(FleetChangesTest, WhileNothingServesAnAbsentDeviceCanBeDrained) {
  changes_->SetNotServing();
  queue_->SetNotReady(ServiceState::kFailed,
                      absl::UnavailableError("pi4 is gone"));
  const auto ask = [&](Kind kind, const std::string& device) {
    return changes_->Ask({kind, device, kPatience}, [](auto) {});
  };
  EXPECT_THAT(ask(Kind::kDrain, "pi4").message(),
              HasSubstr("the model is not running: pi4 is gone; try again"));
  EXPECT_FALSE(ask(Kind::kReplan, "").ok());
  pi4_ = nullptr;
  while (coordinator_->devices().size() > 2) std::this_thread::yield();
  EXPECT_TRUE(ask(Kind::kDrain, "pi4").ok());
  // Nobody waits for it: two workers are wanted, and there is one.
  EXPECT_TRUE(Wait(2).ok());
  ASSERT_TRUE(coordinator_->LoadModel(path_, plan_, nullptr).ok());
  EXPECT_THAT(Ranks(), ElementsAre("desk", "pi3"));
  // It comes back, and is drained still.
  pi4_ = Join("pi4");
  while (coordinator_->devices().size() < 3) std::this_thread::yield();
  EXPECT_TRUE(coordinator_->devices()[2].is_drained);
}

TEST_F(FleetChangesTest, TheEndOfTheServiceEndsWaiting) {
  std::thread asker([&] {
    EXPECT_EQ(changes_->Ask({Kind::kReplan, "", kPatience}, [](auto) {}),
              absl::UnavailableError("the service is ending"));
  });
  changes_->Close();
  asker.join();
}

}  // namespace
}  // namespace shoal::coordinator
