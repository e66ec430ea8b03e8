#include "worker/rank_session.h"

#include <functional>
#include <memory>
#include <vector>

#include "base/check.h"
#include "gtest/gtest.h"
#include "proto/fleet.pb.h"

namespace shoal::worker {
namespace {

// What became of the fetchers, in the order in which they were made.
struct Fates {
  struct Fate {
    bool stopped = false;
    bool destroyed = false;
  };

  void Change(size_t number, const std::function<void(Fate&)>& change) {
    base::MutexLock lock(mutex);
    change(all[number]);
    changed.NotifyAll();
  }
  Fate of(size_t number) {
    base::MutexLock lock(mutex);
    return all[number];
  }

  base::Mutex mutex;
  base::CondVar changed;
  std::vector<Fate> all ABSL_GUARDED_BY(mutex);
};

class TestFetcher final : public StoppableFetcher {
 public:
  explicit TestFetcher(Fates& fates) : fates_(fates) {
    base::MutexLock lock(fates_.mutex);
    number_ = fates_.all.size();
    fates_.all.emplace_back();
  }
  ~TestFetcher() override {
    fates_.Change(number_, [](Fates::Fate& fate) { fate.destroyed = true; });
  }

  absl::Status Fetch(
      std::span<const Item> /*items*/,
      absl::FunctionRef<absl::Status(const Unit&)> /*sink*/) override {
    return absl::OkStatus();
  }
  void Stop() override {
    fates_.Change(number_, [](Fates::Fate& fate) { fate.stopped = true; });
  }

 private:
  Fates& fates_;
  size_t number_ = 0;
};

// Serves until it is aborted, and calls back where it gives units up.
class TestRank final : public parallel::Rank {
 public:
  std::function<void()> on_load = [] {};
  std::function<void()> on_unload = [] {};

  absl::Status Load(
      const parallel::RankSetup& /*setup*/, parallel::UnitFetcher& /*fetcher*/,
      absl::FunctionRef<void(const parallel::LoadProgress&)>) override {
    on_load();
    base::MutexLock lock(mutex_);
    aborted_ = absl::OkStatus();
    return absl::OkStatus();
  }
  absl::StatusOr<std::map<uint32_t, std::string>> Listen() override {
    return std::map<uint32_t, std::string>();
  }
  absl::Status Connect(const std::map<uint32_t, std::string>& /*endpoints*/,
                       absl::Time /*deadline*/) override {
    return absl::OkStatus();
  }
  absl::Status RunPass(const parallel::Pass& /*pass*/,
                       std::span<const float> /*residual*/,
                       std::span<float> /*logits*/) override {
    return absl::UnimplementedError("not rank 0");
  }
  absl::Status Serve() override {
    base::MutexLock lock(mutex_);
    serving_ = true;
    changed_.NotifyAll();
    while (aborted_.ok()) changed_.Wait(mutex_);
    serving_ = false;
    return aborted_;
  }
  void Abort(absl::Status why) override {
    base::MutexLock lock(mutex_);
    aborted_ = why;
    changed_.NotifyAll();
  }
  void Unload() override { on_unload(); }
  parallel::RankReport Report() const override { return {}; }
  base::TraceRecorder::Part Trace(uint64_t /*first*/,
                                  uint32_t /*count_max*/) const override {
    return {};
  }

  void AwaitServing() {
    base::MutexLock lock(mutex_);
    while (!serving_) changed_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
};

proto::CoordinatorMessage LoadOf(uint64_t epoch) {
  proto::CoordinatorMessage message;
  proto::Load& load = *message.mutable_load();
  load.set_epoch(epoch);
  load.set_rank(1);
  load.set_link_secret(std::string(32, 'k'));
  load.mutable_plan()->set_epoch(epoch);
  load.mutable_plan()->add_device_names("desk");
  load.mutable_plan()->add_device_names("pi3");
  load.mutable_plan()->set_payload(proto::PAYLOAD_F64);
  load.mutable_plan()->set_collective(proto::COLLECTIVE_STAR);
  load.mutable_options()->set_weights(proto::WEIGHTS_MODE_AUTO);
  load.mutable_options()->set_kv(proto::KV_FORMAT_F16);
  load.mutable_options()->set_transport(proto::TRANSPORT_TCP);
  return message;
}

proto::CoordinatorMessage ServeOf(uint64_t epoch) {
  proto::CoordinatorMessage message;
  message.mutable_serve()->set_epoch(epoch);
  return message;
}

class RankSessionTest : public ::testing::Test {
 protected:
  RankSessionTest() {
    RankSession::Options options;
    // A test that went on would wait for a rank that will never serve.
    options.send = [](const proto::WorkerMessage& message) {
      SHOAL_CHECK(!message.has_failed(), message.ShortDebugString());
    };
    options.make_fetcher = [this](uint64_t /*epoch*/) {
      return std::make_unique<TestFetcher>(fates_);
    };
    session_ = std::make_unique<RankSession>(std::move(options), rank_);
  }

  Fates fates_;
  TestRank rank_;
  std::unique_ptr<RankSession> session_;
};

// A reader of the rank may be fetching a damaged unit again.
TEST_F(RankSessionTest, AFetcherLastsUntilTheRankIsUnloaded) {
  session_->OnMessage(LoadOf(1));
  session_->OnMessage(ServeOf(1));
  rank_.AwaitServing();
  EXPECT_FALSE(fates_.of(0).destroyed);
  bool destroyed_before = true;
  rank_.on_unload = [&] { destroyed_before = fates_.of(0).destroyed; };
  session_ = nullptr;
  EXPECT_FALSE(destroyed_before);
  EXPECT_TRUE(fates_.of(0).destroyed);
}

TEST_F(RankSessionTest, AFetcherLastsUntilTheNextPlanIsLoaded) {
  session_->OnMessage(LoadOf(1));
  session_->OnMessage(ServeOf(1));
  rank_.AwaitServing();
  bool destroyed_before = true;
  rank_.on_load = [&] { destroyed_before = fates_.of(0).destroyed; };
  session_->OnMessage(LoadOf(2));
  base::MutexLock lock(fates_.mutex);
  while (!fates_.all[0].destroyed) fates_.changed.Wait(fates_.mutex);
  EXPECT_FALSE(destroyed_before);
}

TEST_F(RankSessionTest, AnAbortEndsWhatIsFetchedWhileTheRankServes) {
  session_->OnMessage(LoadOf(1));
  session_->OnMessage(ServeOf(1));
  rank_.AwaitServing();
  EXPECT_FALSE(fates_.of(0).stopped);
  proto::CoordinatorMessage abort;
  abort.mutable_abort()->set_epoch(1);
  session_->OnMessage(abort);
  EXPECT_TRUE(fates_.of(0).stopped);
}

}  // namespace
}  // namespace shoal::worker
