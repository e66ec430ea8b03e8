// The coordinator and real workers' services, over gRPC on loopback, with ranks
// that do no mathematics.

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/coordinator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/fleet_protocol.h"
#include "tests/coordinator/fake_rank.h"
#include "worker/worker_service.h"

namespace shoal::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

parallel::DeviceProfile ProfileOf(const std::string& name) {
  parallel::DeviceProfile profile;
  profile.name = name;
  profile.budget_bytes = uint64_t{1} << 32;
  return profile;
}

std::string ModelPath() {
  return std::string(std::getenv("SHOAL_SOURCE_DIR")) +
         "/models/shoal-stories-3m-q8_0.gguf";
}

// A worker on a thread of its own.
class TestWorker {
 public:
  TestWorker(worker::WorkerServiceOptions options, const std::string& name)
      : service_(std::move(options), rank, ProfileOf(name)),
        thread_([this] { result_ = service_.Run(); }) {}
  ~TestWorker() {
    Stop();
    if (thread_.joinable()) thread_.join();
  }

  void Stop() { service_.Stop(); }
  // What Run() returned.
  absl::Status Join() {
    thread_.join();
    return result_;
  }

  FakeRank rank;

 private:
  worker::WorkerService service_;
  absl::Status result_;
  std::thread thread_;
};

class FleetTest : public ::testing::Test {
 protected:
  FleetTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    options_.digest_directory = ::testing::TempDir() + "fleet_" + test->name();
    std::filesystem::remove_all(options_.digest_directory);
    options_.token = "secret";
  }

  void StartCoordinator() {
    coordinator_ = Coordinator::Create(options_, rank0_, ProfileOf("desk"));
    const auto address = coordinator_->Listen();
    ASSERT_TRUE(address.ok()) << address.status();
    address_ = *address;
  }

  worker::WorkerServiceOptions WorkerOptions(uint32_t order = 0) const {
    worker::WorkerServiceOptions options;
    options.coordinator_address = address_;
    options.token = "secret";
    options.order = order;
    options.backoff_min = absl::Milliseconds(1);
    options.backoff_max = absl::Milliseconds(20);
    return options;
  }

  std::unique_ptr<TestWorker> StartWorker(const std::string& name,
                                          uint32_t order = 0) {
    return std::make_unique<TestWorker>(WorkerOptions(order), name);
  }

  absl::Status Wait(uint32_t count) {
    return coordinator_->WaitForWorkers(count, absl::Now() + absl::Seconds(60),
                                        nullptr);
  }
  absl::Status Load() {
    return coordinator_->LoadModel(ModelPath(), PlanOptions(), nullptr);
  }
  absl::StatusOr<GenerateResult> Generate() {
    GenerateRequest request;
    request.prompt = std::vector<int32_t>{5, 6};
    request.max_tokens = 2;
    return coordinator_->Generate(request, nullptr);
  }

  CoordinatorOptions options_;
  FakeRank rank0_;
  std::unique_ptr<Coordinator> coordinator_;
  std::string address_;
};

TEST_F(FleetTest, LoadsLinksServesAndReports) {
  StartCoordinator();
  // Joined in the other order: their numbers count.
  auto second = StartWorker("pi4", 2);
  ASSERT_TRUE(Wait(1).ok());
  auto first = StartWorker("pi3", 1);
  ASSERT_TRUE(Wait(2).ok());
  std::vector<std::string> loading;
  const absl::Status loaded = coordinator_->LoadModel(
      ModelPath(), PlanOptions(), [&](const DeviceProgress& progress) {
        loading.push_back(progress.device);
      });
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_THAT(loading, ::testing::Contains("pi3"));
  EXPECT_THAT(coordinator_->plan().device_names,
              ElementsAre("desk", "pi3", "pi4"));
  EXPECT_EQ(first->rank.setup().rank, 1u);
  EXPECT_EQ(second->rank.setup().rank, 2u);
  EXPECT_EQ(first->rank.setup().link_secret, rank0_.setup().link_secret);
  EXPECT_THAT(
      second->rank.endpoints(),
      ElementsAre(std::pair(0, "from 0 to 2"), std::pair(1, "from 1 to 2")));
  first->rank.AwaitServing();
  second->rank.AwaitServing();
  EXPECT_TRUE(Generate().ok());
  const auto reports = coordinator_->Reports();
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[1].name, "pi3");
  EXPECT_EQ(reports[1].units, first->rank.Report().units);
  EXPECT_EQ(coordinator_->devices()[2].rank, 2);
}

TEST_F(FleetTest, AWrongTokenEndsTheWorkerWithAnError) {
  StartCoordinator();
  auto options = WorkerOptions();
  options.token = "wrong";
  TestWorker worker(options, "pi3");
  const absl::Status result = worker.Join();
  EXPECT_EQ(result.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(result.message(), HasSubstr("token"));
}

TEST_F(FleetTest, AnotherProtocolVersionEndsTheWorkerWithAnErrorNamingBoth) {
  StartCoordinator();
  auto options = WorkerOptions();
  options.protocol_version = 77;
  TestWorker worker(options, "pi3");
  const absl::Status result = worker.Join();
  EXPECT_EQ(result.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(result.message(), HasSubstr("version 77"));
  EXPECT_THAT(result.message(), HasSubstr(absl::StrCat(
                                    "version ", proto::kFleetProtocolVersion)));
}

TEST_F(FleetTest, AListenerThatOthersReachNeedsTheFlag) {
  for (const std::string address : {"0.0.0.0:0", "[::]:0", "example.org:0"}) {
    options_.listen_address = address;
    const auto listened =
        Coordinator::Create(options_, rank0_, ProfileOf("desk"))->Listen();
    EXPECT_EQ(listened.status().code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(listened.status().message(), HasSubstr("--insecure"));
  }
  options_.listen_address = "0.0.0.0:0";
  options_.insecure = true;
  EXPECT_TRUE(
      Coordinator::Create(options_, rank0_, ProfileOf("desk"))->Listen().ok());
}

TEST_F(FleetTest, APortInUseIsAnError) {
  StartCoordinator();
  options_.listen_address = address_;
  FakeRank other;
  const auto listened =
      Coordinator::Create(options_, other, ProfileOf("desk"))->Listen();
  EXPECT_EQ(listened.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(listened.status().message(), HasSubstr(address_));
}

TEST_F(FleetTest, AnAddressWithoutAPortIsAnError) {
  for (const std::string address : {"", "127.0.0.1", ":1", "127.0.0.1:x",
                                    "127.0.0.1:65536", "127.0.0.1:"}) {
    options_.listen_address = address;
    EXPECT_EQ(Coordinator::Create(options_, rank0_, ProfileOf("desk"))
                  ->Listen()
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument)
        << address;
  }
}

TEST_F(FleetTest, AFailureToLoadComesBackWithTheDevicesName) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  worker->rank.load_status =
      absl::ResourceExhaustedError("the floor is 40 MiB, the budget 20 MiB");
  ASSERT_TRUE(Wait(1).ok());
  EXPECT_EQ(Load(),
            absl::ResourceExhaustedError(
                "pi3 (rank 1): the floor is 40 MiB, the budget 20 MiB"));
  // It stays a member: the next load may fit.
  worker->rank.load_status = absl::OkStatus();
  const absl::Status again = Load();
  EXPECT_TRUE(again.ok()) << again;
}

TEST_F(FleetTest, AFailureOfRank0ToLoadEndsTheOthersToo) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  rank0_.load_status = absl::ResourceExhaustedError("too small");
  ASSERT_TRUE(Wait(1).ok());
  EXPECT_EQ(Load(), absl::ResourceExhaustedError("desk (rank 0): too small"));
  worker->rank.AwaitUnloaded(1);
}

TEST_F(FleetTest, AFailureToConnectNamesTheDevice) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  worker->rank.connect_status = absl::PermissionDeniedError("wrong link key");
  ASSERT_TRUE(Wait(1).ok());
  EXPECT_EQ(Load(),
            absl::PermissionDeniedError("pi3 (rank 1): wrong link key"));
}

TEST_F(FleetTest, AWorkerThatVanishesInAPassEndsItWithItsName) {
  StartCoordinator();
  auto stays = StartWorker("pi3", 1);
  auto goes = StartWorker("pi4", 2);
  ASSERT_TRUE(Wait(2).ok());
  rank0_.pass_blocks = true;
  ASSERT_TRUE(Load().ok());
  stays->rank.AwaitServing();
  absl::Time vanished;
  std::thread vanish([&] {
    rank0_.AwaitPass();
    vanished = absl::Now();
    goes->Stop();
  });
  const auto result = Generate();
  vanish.join();
  EXPECT_LT(absl::Now() - vanished, absl::Seconds(5));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(result.status().message(), HasSubstr("pi4 (rank 2)"));
  // The others were told who it was, and are ready for the next plan.
  coordinator_->Unload();
  stays->rank.AwaitUnloaded(1);
  EXPECT_THAT(stays->rank.aborted().message(), HasSubstr("pi4 (rank 2)"));
}

TEST_F(FleetTest, AWorkersOwnErrorEndsAPassWithItsReason) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  ASSERT_TRUE(Wait(1).ok());
  rank0_.pass_blocks = true;
  ASSERT_TRUE(Load().ok());
  worker->rank.AwaitServing();
  std::thread breaks([&] {
    rank0_.AwaitPass();
    worker->rank.Break(absl::DataLossError("unit 3 is torn"));
  });
  const auto result = Generate();
  breaks.join();
  EXPECT_EQ(result.status(),
            absl::DataLossError("pi3 (rank 1): unit 3 is torn"));
  // A new plan works.
  rank0_.pass_blocks = false;
  ASSERT_TRUE(Load().ok());
  EXPECT_TRUE(Generate().ok());
}

TEST_F(FleetTest, ASecondLoadSendsNoUnits) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  ASSERT_TRUE(Wait(1).ok());
  ASSERT_TRUE(Load().ok());
  const uint64_t sent = coordinator_->unit_bytes_sent();
  EXPECT_GT(worker->rank.fetched_bytes(), 0u);
  EXPECT_EQ(sent, worker->rank.fetched_bytes() + rank0_.fetched_bytes());
  ASSERT_TRUE(Load().ok());
  EXPECT_EQ(worker->rank.load_count(), 2);
  EXPECT_EQ(coordinator_->unit_bytes_sent(), sent);
}

// A reader of the rank may be fetching a damaged unit again.
TEST_F(FleetTest, UnitsCanBeFetchedUntilARankIsUnloaded) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  ASSERT_TRUE(Wait(1).ok());
  const auto fetch_again = [](absl::Status& status) {
    return [&status](parallel::UnitFetcher& fetcher) {
      const parallel::UnitFetcher::Item item = {0, std::nullopt};
      status = fetcher.Fetch(std::span(&item, 1),
                             [](const auto&) { return absl::OkStatus(); });
    };
  };
  absl::Status by_rank0 = absl::UnknownError("was not unloaded");
  absl::Status by_worker = by_rank0;
  rank0_.on_unload = fetch_again(by_rank0);
  worker->rank.on_unload = fetch_again(by_worker);
  ASSERT_TRUE(Load().ok());
  worker->rank.AwaitServing();
  coordinator_->Unload();
  worker->rank.AwaitUnloaded(1);
  EXPECT_TRUE(by_rank0.ok()) << by_rank0;
  // Its fetcher was stopped, so that what hangs on it ends.
  EXPECT_EQ(by_worker.code(), absl::StatusCode::kCancelled) << by_worker;
}

TEST_F(FleetTest, AWorkerServesOneCoordinatorAfterAnother) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  ASSERT_TRUE(Wait(1).ok());
  ASSERT_TRUE(Load().ok());
  worker->rank.AwaitServing();
  const uint64_t fetched = worker->rank.fetched_bytes();
  options_.listen_address = address_;
  coordinator_ = nullptr;
  StartCoordinator();
  ASSERT_TRUE(Wait(1).ok());
  const absl::Status loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_TRUE(Generate().ok());
  EXPECT_EQ(worker->rank.fetched_bytes(), fetched);
}

TEST_F(FleetTest, AWorkerOfASingleSessionEndsWithItsCoordinator) {
  StartCoordinator();
  auto options = WorkerOptions();
  options.single_session = true;
  TestWorker worker(options, "pi3");
  ASSERT_TRUE(Wait(1).ok());
  coordinator_ = nullptr;
  EXPECT_TRUE(worker.Join().ok());
}

TEST_F(FleetTest, AWorkerOfASingleSessionGivesUpDialling) {
  StartCoordinator();
  auto options = WorkerOptions();
  coordinator_ = nullptr;
  options.single_session = true;
  options.dial_timeout = absl::Milliseconds(50);
  TestWorker worker(options, "pi3");
  const absl::Status result = worker.Join();
  EXPECT_EQ(result.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(result.message(), HasSubstr(address_));
}

TEST_F(FleetTest, LoadingEndsWhenItIsCancelled) {
  StartCoordinator();
  auto worker = StartWorker("pi3");
  ASSERT_TRUE(Wait(1).ok());
  const std::atomic<bool> cancel = true;
  const absl::Status loaded =
      coordinator_->LoadModel(ModelPath(), PlanOptions(), nullptr, &cancel);
  EXPECT_EQ(loaded.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(Load().ok());
}

}  // namespace
}  // namespace shoal::coordinator
