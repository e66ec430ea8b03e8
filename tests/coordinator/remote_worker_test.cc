#include "coordinator/remote_worker.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "proto/fleet.pb.h"

namespace shoal::coordinator {
namespace {

class KeptLink final : public WorkerLink {
 public:
  void Send(const proto::CoordinatorMessage& message) override {
    sent.push_back(message);
  }
  void Cancel() override {}

  std::vector<proto::CoordinatorMessage> sent;
};

class RemoteWorkerTest : public ::testing::Test {
 protected:
  static RemoteWorker::Info InfoOf(const char* name) {
    RemoteWorker::Info info;
    info.profile.name = name;
    return info;
  }
  void Answer(uint64_t request, uint64_t rss_bytes) {
    proto::WorkerMessage message;
    message.mutable_report()->set_request(request);
    message.mutable_report()->set_name("impostor");
    message.mutable_report()->set_rss_bytes(rss_bytes);
    worker_.OnMessage(message);
  }

  const std::shared_ptr<KeptLink> link_ = std::make_shared<KeptLink>();
  RemoteWorker worker_{InfoOf("pi4"), link_};
};

TEST_F(RemoteWorkerTest, KeepsTheLastReportAndHowLongItsAnswerTook) {
  EXPECT_FALSE(worker_.latest_report().has_value());
  worker_.RequestReport();
  ASSERT_EQ(link_->sent.size(), 1u);
  Answer(link_->sent[0].ask_report().request(), 77);
  const auto latest = worker_.latest_report();
  ASSERT_TRUE(latest.has_value());
  EXPECT_EQ(latest->report.rss_bytes, 77u);
  EXPECT_EQ(latest->report.name, "pi4");
  ASSERT_TRUE(latest->round_trip.has_value());
  EXPECT_GE(*latest->round_trip, absl::ZeroDuration());
  EXPECT_LT(*latest->round_trip, absl::Minutes(1));
}

TEST_F(RemoteWorkerTest, AsksAWorkerThatDoesNotAnswerOnce) {
  for (int i = 0; i < 10; ++i) worker_.RequestReport();
  ASSERT_EQ(link_->sent.size(), 1u);
  Answer(link_->sent[0].ask_report().request(), 1);
  worker_.RequestReport();
  EXPECT_EQ(link_->sent.size(), 2u);
}

TEST_F(RemoteWorkerTest, AnAnswerToAnotherQuestionTellsNoRoundTrip) {
  EXPECT_FALSE(worker_.AskReport(absl::InfinitePast()).has_value());
  ASSERT_EQ(link_->sent.size(), 1u);
  Answer(link_->sent[0].ask_report().request(), 5);
  ASSERT_TRUE(worker_.latest_report().has_value());
  EXPECT_FALSE(worker_.latest_report()->round_trip.has_value());
}

}  // namespace
}  // namespace shoal::coordinator
