// Clients of the gRPC service Inference, where somebody else generates.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/coordinator.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "proto/inference.grpc.pb.h"
#include "proto/operator.grpc.pb.h"
#include "tests/coordinator/fake_rank.h"

namespace shoal::coordinator {
namespace {

class InferenceServiceTest : public ::testing::Test {
 protected:
  InferenceServiceTest() {
    parallel::DeviceProfile profile;
    profile.name = "desk";
    coordinator_ = Coordinator::Create({}, rank_, profile);
    const auto address = coordinator_->Listen();
    EXPECT_TRUE(address.ok()) << address.status();
    stub_ = proto::Inference::NewStub(
        grpc::CreateChannel(*address, grpc::InsecureChannelCredentials()));
    request_.set_text("Hi");
  }

  FakeRank rank_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<proto::Inference::Stub> stub_;
  proto::GenerateRequest request_;
};

TEST_F(InferenceServiceTest, RequestsGoToWhoeverGeneratesForClients) {
  coordinator_->SetClientGenerator(
      [](const GenerateRequest& request, const TextCallback& on_text,
         const auto&) -> absl::StatusOr<GenerateResult> {
        on_text(absl::StrCat(std::get<std::string>(request.prompt), "!"));
        GenerateResult result;
        result.prompt_tokens = 7;
        return result;
      });
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, request_);
  proto::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.text(), "Hi!");
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.done().prompt_tokens(), 7u);
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(InferenceServiceTest, ACancelledCallIsSeenWithoutFurtherText) {
  coordinator_->SetClientGenerator(
      [](const GenerateRequest&, const TextCallback& on_text,
         const auto& is_gone) -> absl::StatusOr<GenerateResult> {
        on_text("begun");
        while (!is_gone()) std::this_thread::yield();
        return absl::CancelledError("seen");
      });
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, request_);
  proto::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  // Waits for the handler, which would not end without having seen it.
  coordinator_->Shutdown();
}

// As clients on other machines are.
TEST(InferenceServiceTokenTest, BeyondLoopbackTheTokenIsAskedFor) {
  FakeRank rank;
  parallel::DeviceProfile profile;
  profile.name = "desk";
  CoordinatorOptions options;
  options.listen_address = "0.0.0.0:0";
  options.insecure = true;
  options.token = "s3cret";
  const auto coordinator = Coordinator::Create(options, rank, profile);
  const auto address = coordinator->Listen();
  ASSERT_TRUE(address.ok()) << address.status();
  const auto channel =
      grpc::CreateChannel("127.0.0.1" + address->substr(address->rfind(':')),
                          grpc::InsecureChannelCredentials());
  const auto inference = proto::Inference::NewStub(channel);
  const auto operations = proto::Operator::NewStub(channel);
  const auto ask = [&](const std::string& shown) {
    grpc::ClientContext contexts[5];
    for (grpc::ClientContext& context : contexts) {
      if (!shown.empty()) context.AddMetadata("authorization", shown);
    }
    proto::TokenizeReply tokens;
    proto::ListModelsReply models;
    proto::FleetStatus status;
    proto::Plan plan;
    return std::vector<grpc::Status>{
        inference->Generate(&contexts[0], {})->Finish(),
        inference->Tokenize(&contexts[1], {}, &tokens),
        inference->ListModels(&contexts[2], {}, &models),
        operations->GetStatus(&contexts[3], {}, &status),
        operations->GetPlan(&contexts[4], {}, &plan)};
  };
  for (const char* shown : {"", "s3cret", "Bearer s3cre", "Bearer s3cret1"}) {
    for (const grpc::Status& status : ask(shown)) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
      EXPECT_NE(status.error_message().find("authorization"),
                std::string::npos);
    }
  }
  for (const grpc::Status& status : ask("Bearer s3cret")) {
    EXPECT_NE(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
}

TEST_F(InferenceServiceTest, WithoutOneAModelMustBeLoaded) {
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, request_);
  proto::GenerateEvent event;
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace shoal::coordinator
