// Clients of Operator.Watch, on a coordinator whose rank does no mathematics.

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "coordinator/coordinator.h"
#include "coordinator/fleet_watch.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "proto/operator.grpc.pb.h"
#include "tests/coordinator/fake_rank.h"

namespace shoal::coordinator {
namespace {

class WatchServiceTest : public ::testing::Test {
 protected:
  WatchServiceTest() {
    parallel::DeviceProfile profile;
    profile.name = "desk";
    profile.budget_bytes = uint64_t{1} << 32;
    coordinator_ = Coordinator::Create({}, rank_, profile);
    const auto address = coordinator_->Listen();
    EXPECT_TRUE(address.ok()) << address.status();
    stub_ = proto::Operator::NewStub(
        grpc::CreateChannel(*address, grpc::InsecureChannelCredentials()));
    request_.set_rate(4);
  }

  void Load() {
    const absl::Status loaded =
        coordinator_->LoadModel(std::string(std::getenv("SHOAL_SOURCE_DIR")) +
                                    "/models/shoal-stories-3m-q8_0.gguf",
                                PlanOptions(), nullptr);
    ASSERT_TRUE(loaded.ok()) << loaded;
  }

  // The updates of a watch that ends with the coordinator.
  std::vector<proto::WatchUpdate> UpdatesToTheEnd(
      const std::function<void()>& meanwhile) {
    grpc::ClientContext context;
    const auto reader = stub_->Watch(&context, request_);
    std::vector<proto::WatchUpdate> updates;
    proto::WatchUpdate update;
    EXPECT_TRUE(reader->Read(&update));
    updates.push_back(update);
    meanwhile();
    std::thread ending([this] { coordinator_->Shutdown(); });
    while (reader->Read(&update)) updates.push_back(update);
    ending.join();
    EXPECT_TRUE(reader->Finish().ok());
    return updates;
  }

  FakeRank rank_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<proto::Operator::Stub> stub_;
  proto::WatchRequest request_;
};

TEST_F(WatchServiceTest, ACoordinatorThatDoesNotServeChangesNothing) {
  Load();
  grpc::ClientContext context;
  proto::DrainRequest drain;
  drain.set_device("pi3");
  const auto reader = stub_->Drain(&context, drain);
  proto::ChangeProgress progress;
  EXPECT_FALSE(reader->Read(&progress));
  const grpc::Status refused = reader->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(refused.error_message().find("shoal serve"), std::string::npos)
      << refused.error_message();
}

TEST_F(WatchServiceTest, AChangeTellsHowFarItIsAndWhatItDid) {
  Load();
  FleetChange asked;
  coordinator_->SetFleetChanger(
      [&](const FleetChange& change, const ChangeNews& on_news) {
        asked = change;
        on_news("loading");
        on_news("drained");
        return absl::OkStatus();
      });
  grpc::ClientContext context;
  proto::DrainRequest drain;
  drain.set_device("pi3");
  drain.set_patience_ms(250);
  const auto reader = stub_->Drain(&context, drain);
  std::vector<std::string> texts;
  proto::ChangeProgress progress;
  while (reader->Read(&progress)) texts.push_back(progress.text());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(texts, (std::vector<std::string>{"loading", "drained", "drained"}));
  EXPECT_TRUE(progress.done());
  EXPECT_EQ(progress.epoch(), 1u);
  ASSERT_EQ(progress.device_names_size(), 1);
  EXPECT_EQ(progress.device_names(0), "desk");
  EXPECT_EQ(asked.kind, FleetChange::Kind::kDrain);
  EXPECT_EQ(asked.device, "pi3");
  EXPECT_EQ(asked.patience, absl::Milliseconds(250));
}

TEST_F(WatchServiceTest, TheLastUpdateHasTheFiguresOfTheLastRequest) {
  GenerateResult result;
  const auto updates = UpdatesToTheEnd([&] {
    Load();
    GenerateRequest request;
    request.prompt = std::vector<int32_t>{5, 6, 8};
    request.max_tokens = 20;
    auto done = coordinator_->Generate(request, nullptr);
    ASSERT_TRUE(done.ok()) << done.status();
    result = *std::move(done);
  });
  ASSERT_GE(updates.size(), 2u);
  EXPECT_FALSE(updates.front().snapshot().ending());
  const proto::FleetSnapshot& last = updates.back().snapshot();
  EXPECT_TRUE(last.ending());
  EXPECT_TRUE(last.status().ready());
  EXPECT_EQ(last.plan().device_names_size(), 1);
  EXPECT_GT(last.devices(0).status().unit_count(), 0u);
  const proto::RequestFigures& requests = last.requests();
  EXPECT_EQ(requests.running_count(), 0u);
  EXPECT_EQ(requests.finished_count(), 1u);
  EXPECT_EQ(requests.prompt_tokens(), 3u);
  EXPECT_EQ(requests.generated_tokens(), 20u);
  EXPECT_EQ(requests.last().prompt_tokens(), result.prompt_tokens);
  EXPECT_EQ(requests.last().generated_tokens(), 20u);
  EXPECT_NEAR(requests.last().time_to_first_token_ms(),
              absl::ToDoubleMilliseconds(result.time_to_first_token), 1e-5);
  EXPECT_NEAR(requests.last().ms_per_token(),
              absl::ToDoubleMilliseconds(result.time_per_token()), 1e-5);
  EXPECT_NEAR(requests.tokens_per_second_average() *
                  absl::ToDoubleSeconds(result.time_per_token()),
              1, 1e-4);
}

TEST_F(WatchServiceTest, EventsTellWhatIsLoaded) {
  const auto updates = UpdatesToTheEnd([&] { Load(); });
  std::string texts;
  for (const auto& update : updates) {
    for (const auto& event : update.events()) texts += event.text() + "\n";
  }
  EXPECT_NE(texts.find("loading"), std::string::npos) << texts;
  EXPECT_NE(texts.find("plan 1 in force"), std::string::npos) << texts;
}

TEST_F(WatchServiceTest, WhileATokenIsComputedItsRequestRuns) {
  Load();
  grpc::ClientContext context;
  const auto reader = stub_->Watch(&context, request_);
  rank_.pass_blocks = true;
  std::thread generating([this] {
    GenerateRequest request;
    request.prompt = std::vector<int32_t>{5, 6};
    coordinator_->Generate(request, nullptr).IgnoreError();
  });
  rank_.AwaitPass();
  proto::WatchUpdate update;
  while (reader->Read(&update) &&
         update.snapshot().requests().running_count() == 0) {
  }
  EXPECT_EQ(update.snapshot().requests().running(0).prompt_tokens(), 2u);
  EXPECT_FALSE(
      update.snapshot().requests().running(0).has_time_to_first_token_ms());
  rank_.Abort(absl::CancelledError("enough"));
  generating.join();
  while (reader->Read(&update) &&
         update.snapshot().requests().running_count() > 0) {
  }
  EXPECT_EQ(update.snapshot().requests().finished_count(), 1u);
  context.TryCancel();
  reader->Finish();
}

TEST_F(WatchServiceTest, TooManyWhoWatchAreRefused) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<proto::WatchUpdate>>> readers;
  proto::WatchUpdate update;
  for (int i = 0; i < FleetWatch::kWatcherCountMax; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub_->Watch(contexts.back().get(), request_));
    ASSERT_TRUE(readers.back()->Read(&update)) << i;
  }
  grpc::ClientContext context;
  const auto reader = stub_->Watch(&context, request_);
  EXPECT_FALSE(reader->Read(&update));
  EXPECT_EQ(reader->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (size_t i = 0; i < readers.size(); ++i) {
    contexts[i]->TryCancel();
    readers[i]->Finish();
  }
}

}  // namespace
}  // namespace shoal::coordinator
