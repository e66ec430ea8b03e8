#include "coordinator/request_queue.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/tokenizer.h"
#include "tests/coordinator/fake_rank.h"

namespace shoal::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

// Passes run only as far as the test lets them.
class Gate {
 public:
  void Let(int passes) {
    base::MutexLock lock(mutex_);
    open_ += passes;
    changed_.NotifyAll();
  }
  void LetAll() { Let(1 << 20); }
  void Pass() {
    base::MutexLock lock(mutex_);
    ++arrived_;
    changed_.NotifyAll();
    while (open_ == 0) changed_.Wait(mutex_);
    --open_;
  }
  // Until so many passes have begun.
  void AwaitArrivals(int count) {
    base::MutexLock lock(mutex_);
    while (arrived_ < count) changed_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int open_ = 0;
  int arrived_ = 0;
};

// One device whose next token depends on the token and position before it, as
// a model's does, and on nothing else.
class RequestQueueTest : public ::testing::Test {
 protected:
  RequestQueueTest() {
    parallel::DeviceProfile profile;
    profile.name = "desk";
    profile.budget_bytes = uint64_t{1} << 32;
    coordinator_ = Coordinator::Create({}, rank_, profile);
    rank_.on_pass = [this](const parallel::Pass& pass,
                           std::span<const float> residual,
                           std::span<float> logits) {
      gate_.Pass();
      if (broken_) return absl::UnavailableError("the cable is out");
      CheckRows(pass);
      return Speak(pass, residual, logits);
    };
  }
  // Nothing may hang in the gate.
  ~RequestQueueTest() override { gate_.LetAll(); }

  // What a real rank relies on: a row for each session, within the plan's
  // limits, that goes on where the session's KV ends or is cut.
  void CheckRows(const parallel::Pass& pass) {
    std::set<uint32_t> sessions;
    uint32_t logits_rows = 0;
    for (const parallel::PassRow& row : pass.rows) {
      EXPECT_TRUE(sessions.insert(row.session).second) << row.session;
      EXPECT_LT(row.session, plan_.run.session_count);
      EXPECT_GT(row.token_count, 0u);
      EXPECT_LE(row.logits_count, row.token_count);
      uint32_t& positions = positions_[row.session];
      EXPECT_LE(row.truncate_to, positions);
      EXPECT_EQ(row.first_position, row.truncate_to);
      positions = row.first_position + row.token_count;
      EXPECT_LE(positions, plan_.run.context_positions);
      logits_rows += row.logits_count;
    }
    EXPECT_LE(pass.token_count(), plan_.chunk_tokens);
    EXPECT_LE(logits_rows, plan_.run.logits_rows_max);
  }

  static constexpr uint32_t kRecordCountMax = 3;

  void Load(uint32_t session_count, uint32_t chunk = 8,
            uint32_t waiting_count_max = 32) {
    plan_.run.context_positions = 64;
    plan_.run.session_count = session_count;
    plan_.run.logits_rows_max = session_count;
    plan_.chunk_tokens = chunk;
    const absl::Status loaded = coordinator_->LoadModel(path_, plan_, nullptr);
    ASSERT_TRUE(loaded.ok()) << loaded;
    RequestQueue::Options options;
    options.waiting_count_max = waiting_count_max;
    options.record_count_max = kRecordCountMax;
    queue_ = std::make_unique<RequestQueue>(options, *coordinator_);
    queue_->SetReady(session_count);
  }

  static GenerateRequest Greedy(std::vector<int32_t> ids, uint32_t tokens) {
    GenerateRequest request;
    request.prompt = std::move(ids);
    request.max_tokens = tokens;
    request.sampling.temperature = 0;
    request.ignore_eos = true;
    return request;
  }

  std::shared_ptr<RequestStream> Submit(std::vector<int32_t> ids,
                                        uint32_t tokens) {
    auto stream = queue_->Submit(Greedy(std::move(ids), tokens));
    EXPECT_TRUE(stream.ok()) << stream.status();
    return *stream;
  }

  void AwaitState(ServiceState state) const {
    while (queue_->state() != state) std::this_thread::yield();
  }

  // While a pass is held at the gate, which then opens for all.
  void StopInPass(absl::Time deadline) {
    std::thread owner([&] { queue_->Stop(deadline); });
    AwaitState(ServiceState::kStopping);
    gate_.LetAll();
    owner.join();
  }

  // What is left of the news, and the end.
  static absl::StatusOr<GenerateResult> EndOf(RequestStream& stream) {
    for (;;) {
      RequestNews news = stream.Next(absl::Now() + kPatience);
      if (news.end) return *std::move(news.end);
      if (news.empty()) return absl::DeadlineExceededError("no news");
    }
  }

  std::vector<std::set<uint32_t>> SessionsByPass() const {
    std::vector<std::set<uint32_t>> sessions;
    for (const parallel::Pass& pass : rank_.passes()) {
      auto& of_pass = sessions.emplace_back();
      for (const parallel::PassRow& row : pass.rows) {
        of_pass.insert(row.session);
      }
    }
    return sessions;
  }

  const std::string path_ = std::string(std::getenv("SHOAL_SOURCE_DIR")) +
                            "/models/shoal-stories-3m-q8_0.gguf";
  Gate gate_;
  std::atomic<bool> broken_ = false;
  FakeRank rank_;
  PlanOptions plan_;
  std::map<uint32_t, uint32_t> positions_;  // by session, of the KV
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<RequestQueue> queue_;
};

TEST_F(RequestQueueTest, EachOfSeveralGetsTheTextThatItGetsAlone) {
  Load(4);
  gate_.LetAll();
  const std::vector<std::vector<int32_t>> prompts = {
      {5, 6, 7}, {400}, {9, 8, 7, 6, 5, 4, 3, 2, 400, 401, 402}, {5, 6, 8}};
  std::vector<std::vector<int32_t>> alone;
  for (const auto& prompt : prompts) {
    const auto result = EndOf(*Submit(prompt, 12));
    ASSERT_TRUE(result.ok()) << result.status();
    alone.push_back(result->token_ids);
    EXPECT_EQ(alone.back().size(), 12u);
  }
  EXPECT_NE(alone[0], alone[3]);
  std::vector<std::shared_ptr<RequestStream>> streams;
  for (const auto& prompt : prompts) streams.push_back(Submit(prompt, 12));
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto result = EndOf(*streams[i]);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->token_ids, alone[i]) << i;
  }
}

TEST_F(RequestQueueTest, APassTakesATokenOfEveryOne) {
  Load(3);
  const auto first = Submit({5}, 4);
  gate_.AwaitArrivals(1);
  const auto second = Submit({6}, 4), third = Submit({7}, 4);
  gate_.LetAll();
  for (const auto& stream : {first, second, third}) {
    ASSERT_TRUE(EndOf(*stream).ok());
  }
  const auto sessions = SessionsByPass();
  ASSERT_EQ(sessions.size(), 5u);
  EXPECT_EQ(sessions[0].size(), 1u);
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(sessions[i].size(), 3u) << i;
  EXPECT_EQ(sessions[4].size(), 2u);
}

TEST_F(RequestQueueTest, APromptOfManyPassesDoesNotHoldUpTheOthers) {
  Load(2, /*chunk=*/4);
  const auto talker = Submit({5}, 10);
  gate_.AwaitArrivals(1);
  std::vector<int32_t> prompt(30, 6);
  const auto reader = Submit(prompt, 1);
  gate_.LetAll();
  ASSERT_TRUE(EndOf(*talker).ok());
  ASSERT_TRUE(EndOf(*reader).ok());
  const auto& passes = rank_.passes();
  for (size_t i = 1; i < 10; ++i) {
    ASSERT_EQ(passes[i].rows.size(), 2u) << i;
    EXPECT_EQ(passes[i].token_count(), 4u) << i;
  }
}

TEST_F(RequestQueueTest, WhereAPassHasNoRoomForAllTheyTakeTurns) {
  Load(3, /*chunk=*/1);
  std::vector<std::shared_ptr<RequestStream>> streams = {Submit({5}, 6)};
  gate_.AwaitArrivals(1);
  streams.push_back(Submit({6}, 6));
  streams.push_back(Submit({7}, 6));
  gate_.LetAll();
  for (const auto& stream : streams) ASSERT_TRUE(EndOf(*stream).ok());
  std::map<uint32_t, int> turns;
  const auto sessions = SessionsByPass();
  for (size_t i = 1; i < 13; ++i) ++turns[*sessions[i].begin()];
  for (const auto& [session, count] : turns) EXPECT_EQ(count, 4) << session;
  EXPECT_EQ(turns.size(), 3u);
}

TEST_F(RequestQueueTest, WhoComesFirstIsServedFirstAndTheQueueHasAnEnd) {
  Load(1, 8, /*waiting_count_max=*/2);
  const auto first = Submit({5}, 1);
  gate_.AwaitArrivals(1);
  const auto second = Submit({6}, 1), third = Submit({7, 7}, 1);
  const auto refused = queue_->Submit(Greedy({8}, 1));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("1 requests are served and 2 wait"));
  EXPECT_EQ(queue_->counters().waiting_count, 2u);
  gate_.LetAll();
  ASSERT_TRUE(EndOf(*third).ok());
  ASSERT_TRUE(EndOf(*second).ok());
  EXPECT_EQ(rank_.passes()[1].token_count(), 1u);
  EXPECT_EQ(rank_.passes()[2].token_count(), 2u);
  EXPECT_EQ(queue_->counters().refused_count, 1u);
}

TEST_F(RequestQueueTest, RecordsWhenTheFirstRequestsWaitedAndWereAnswered) {
  Load(1);
  const absl::Time begin = absl::Now();
  const auto first = Submit({5, 6}, 60);
  gate_.AwaitArrivals(1);
  const auto given_up = Submit({7}, 60);  // never taken from the queue
  const auto third = Submit({8, 8, 8}, 2), fourth = Submit({9}, 1),
             fifth = Submit({10}, 1);
  given_up->Cancel();
  first->Cancel();
  gate_.LetAll();
  ASSERT_TRUE(EndOf(*fifth).ok());
  const std::vector<RequestRecord> records = queue_->records();
  ASSERT_EQ(records.size(), kRecordCountMax) << "the fifth is one too many";
  EXPECT_EQ(records[0].number, 1u);
  EXPECT_EQ(records[0].prompt_tokens, 2u);
  EXPECT_EQ(records[0].outcome, "cancelled");
  EXPECT_EQ(records[1].number, 3u);
  EXPECT_EQ(records[1].prompt_tokens, 3u);
  EXPECT_EQ(records[1].generated_tokens, 2u);
  EXPECT_EQ(records[1].outcome, "length");
  EXPECT_EQ(records[2].number, 4u);
  absl::Time taken = begin;
  for (const RequestRecord& record : records) {
    EXPECT_LE(begin, record.submitted);
    EXPECT_LE(record.submitted, record.begun);
    // One after the other.
    EXPECT_LE(taken, record.begun);
    EXPECT_LE(record.begun, record.first_token);
    EXPECT_LE(record.first_token, record.ended);
    taken = record.ended;
  }
}

TEST_F(RequestQueueTest, WhoGivesUpMakesRoom) {
  Load(1, 8, /*waiting_count_max=*/1);
  const auto first = Submit({5}, 60);
  gate_.AwaitArrivals(1);
  const auto second = Submit({6}, 60);
  second->Cancel();
  const auto third = Submit({7}, 1);  // the place of the second
  first->Cancel();
  gate_.LetAll();
  for (const auto& stream : {first, second}) {
    const auto result = EndOf(*stream);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->finish_reason, FinishReason::kCancelled);
    EXPECT_LT(result->token_ids.size(), 5u);
  }
  ASSERT_TRUE(EndOf(*third).ok());
  EXPECT_EQ(queue_->counters().cancelled_count, 2u);
}

TEST_F(RequestQueueTest, APromptThatGoesOnComesToTheSessionThatHasIt) {
  Load(3);
  gate_.LetAll();
  const auto one = EndOf(*Submit({5, 6, 7}, 2));
  const auto two = EndOf(*Submit({8, 9, 10}, 2));
  ASSERT_TRUE(one.ok() && two.ok());
  const auto again = EndOf(*Submit({5, 6, 7, one->token_ids[0], 11}, 1));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->reused_tokens, 4u);
}

TEST_F(RequestQueueTest, AFaultEndsAllAndAnotherPlanServesAgain) {
  Load(1);
  const auto first = Submit({5}, 3);
  gate_.AwaitArrivals(1);
  const auto second = Submit({6}, 3);
  broken_ = true;
  gate_.LetAll();
  for (const auto& stream : {first, second}) {
    const auto result = EndOf(*stream);
    EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
    EXPECT_THAT(std::string(result.status().message()),
                HasSubstr("the cable is out"));
  }
  EXPECT_EQ(queue_->WaitForFault(absl::Now() + kPatience),
            ServiceState::kFailed);
  EXPECT_TRUE(absl::IsUnavailable(queue_->Submit(Greedy({5}, 1)).status()));
  EXPECT_EQ(queue_->counters().failed_count, 2u);
  broken_ = false;
  ASSERT_TRUE(coordinator_->LoadModel(path_, plan_, nullptr).ok());
  queue_->SetReady(1);
  EXPECT_TRUE(EndOf(*Submit({5}, 3)).ok());
}

TEST_F(RequestQueueTest, ANudgeEndsOneWaitForAFault) {
  Load(1);
  queue_->Nudge();
  EXPECT_EQ(queue_->WaitForFault(absl::InfiniteFuture()),
            ServiceState::kReady);
  const absl::Time soon = absl::Now() + absl::Milliseconds(20);
  EXPECT_EQ(queue_->WaitForFault(soon), ServiceState::kReady);
  EXPECT_GE(absl::Now(), soon);
}

TEST_F(RequestQueueTest, NotReadySaysWhy) {
  Load(1);
  const auto stream = Submit({5}, 30);
  gate_.AwaitArrivals(1);
  std::thread owner([this] {
    queue_->SetNotReady(ServiceState::kLoading,
                        absl::UnavailableError("waiting for pi4-b"));
  });
  AwaitState(ServiceState::kLoading);
  gate_.LetAll();
  owner.join();
  EXPECT_FALSE(EndOf(*stream).ok());
  const auto refused = queue_->Submit(Greedy({5}, 1));
  EXPECT_EQ(refused.status(), absl::UnavailableError("waiting for pi4-b"));
}

TEST_F(RequestQueueTest, WhatIsWrongWithARequestIsSaidAtOnce) {
  Load(1);
  const auto lengthy = queue_->Submit(Greedy(std::vector<int32_t>(65, 5), 1));
  EXPECT_TRUE(absl::IsInvalidArgument(lengthy.status()));
  EXPECT_TRUE(IsContextExceeded(lengthy.status()));
  GenerateRequest request = Greedy({5}, 1);
  request.prompt = std::string(1 << 20, 'a');
  const auto text = queue_->Submit(request);
  EXPECT_TRUE(IsContextExceeded(text.status()));
  // Without making tokens of it.
  EXPECT_THAT(std::string(text.status().message()),
              HasSubstr("the prompt has 1048576 bytes"));
  request = Greedy({5}, 1);
  request.top_logprobs = 21;
  const auto curious = queue_->Submit(request);
  EXPECT_TRUE(absl::IsInvalidArgument(curious.status()));
  EXPECT_FALSE(IsContextExceeded(curious.status()));
  request = Greedy({5}, 1);
  request.sampling.temperature = -1;
  EXPECT_TRUE(absl::IsInvalidArgument(queue_->Submit(request).status()));
}

TEST_F(RequestQueueTest, StoppingLetsTheActiveFinishAndCancelsThemInTheEnd) {
  Load(1);
  const auto active = Submit({5}, 3);
  gate_.AwaitArrivals(1);
  const auto waiting = Submit({6}, 3);
  StopInPass(absl::Now() + kPatience);
  const auto result = EndOf(*active);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->finish_reason, FinishReason::kLength);
  EXPECT_TRUE(absl::IsUnavailable(EndOf(*waiting).status()));
  EXPECT_TRUE(absl::IsUnavailable(queue_->Submit(Greedy({5}, 1)).status()));
}

TEST_F(RequestQueueTest, StoppingWithoutPatienceCancels) {
  Load(1);
  const auto active = Submit({5}, 60);
  gate_.AwaitArrivals(1);
  StopInPass(absl::InfinitePast());
  const auto result = EndOf(*active);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->finish_reason, FinishReason::kCancelled);
}

TEST_F(RequestQueueTest, StoppingDoesNotWaitForAPassThatHangs) {
  rank_.pass_blocks = true;
  Load(2);
  queue_ = std::make_unique<RequestQueue>(
      RequestQueue::Options{.pass_grace = absl::Milliseconds(20)},
      *coordinator_);
  queue_->SetReady(2);
  const auto one = Submit({5}, 60), two = Submit({6}, 60);
  rank_.AwaitPass();
  const absl::Time begin = absl::Now();
  queue_->Stop(begin + absl::Milliseconds(10));
  EXPECT_LT(absl::Now() - begin, kPatience);
  for (const auto& stream : {one, two}) {
    const auto end = stream->Next(absl::InfinitePast()).end;
    ASSERT_TRUE(end.has_value());
    EXPECT_TRUE(absl::IsUnavailable(end->status())) << end->status();
    EXPECT_THAT(std::string(end->status().message()),
                HasSubstr("the service is shutting down"));
  }
}

TEST_F(RequestQueueTest, AClientThatIsGoneEndsItsGeneration) {
  Load(1);
  gate_.Let(2);
  int asked = 0;
  const auto result = queue_->Generate(Greedy({5}, 60), nullptr, [&] {
    if (++asked == 2) gate_.LetAll();
    return true;
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->finish_reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace shoal::coordinator
