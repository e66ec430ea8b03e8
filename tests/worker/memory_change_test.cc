// A rank whose memory becomes less or more while a plan lives.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::worker {
namespace {

using parallel::RankReport;
using testing::FleetOptions;
using ::testing::HasSubstr;
using testing::InProcessFleet;

constexpr uint64_t kBudget = uint64_t{8} << 20;  // holds the whole share

class MemoryChangeTest : public ::testing::Test {
 protected:
  MemoryChangeTest() { SetAvailable(1 << 20); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.File(path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void SetAvailable(uint64_t kib) {
    Write("root/proc/meminfo",
          absl::StrCat("MemTotal: 2097152 kB\nMemAvailable: ", kib, " kB\n"));
  }
  void SetCap(uint64_t bytes) { Write("cap", absl::StrCat(bytes)); }

  // `rank_count` ranks, the last of which watches.
  void Start(uint32_t rank_count) {
    fleet_.reset();  // it holds the stores
    FleetOptions options;
    options.rank_count = rank_count;
    options.budget_bytes = kBudget;
    options.chunk_tokens = 8;
    options.store_root = folder_.File("stores");
    options.memory_watch.emplace();
    options.memory_watch->root = folder_.File("root");
    options.memory_watch->cap_file = folder_.File("cap");
    options.memory_watch->interval = absl::ZeroDuration();
    options.memory_watch->calm = absl::ZeroDuration();
    auto fleet = InProcessFleet::Create(
        absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                     "/models/shoal-stories-3m-q8_0.gguf"),
        options);
    ASSERT_TRUE(fleet.ok()) << fleet.status();
    fleet_ = *std::move(fleet);
    position_ = 0;
    ASSERT_FALSE(Passes(1).empty());  // counting begins after the first
  }

  // The logits of so many decode passes.
  std::vector<float> Passes(uint32_t count) {
    std::vector<float> all;
    for (uint32_t i = 0; i < count; ++i) {
      const std::vector<int32_t> token = {
          static_cast<int32_t>(300 + position_ * 7)};
      const auto logits = fleet_->Evaluate(token, position_++, 1);
      EXPECT_TRUE(logits.ok()) << logits.status();
      if (!logits.ok()) return {};
      all.insert(all.end(), logits->begin(), logits->end());
    }
    return all;
  }

  // The first pass is not counted.
  RankReport Report() {
    return fleet_->ReportsAfter(std::max(position_, 1u) - 1).back();
  }

  const testing::TemporaryFolder folder_;
  std::unique_ptr<InProcessFleet> fleet_;
  uint32_t position_ = 0;
};

TEST_F(MemoryChangeTest, TokensStayAndEachPassReadsShareMinusResident) {
  for (const uint32_t rank_count : {1, 2}) {
    SetCap(kBudget);
    Start(rank_count);
    const std::vector<float> undisturbed = Passes(16);
    SetCap(kBudget);
    Start(rank_count);
    std::vector<float> changed;
    std::set<uint64_t> residents;
    for (const uint64_t percent : {100, 45, 80, 35}) {
      const uint64_t cap = kBudget / rank_count * percent / 100;
      SetCap(cap);
      const RankReport before = Report();
      const std::vector<float> logits = Passes(4);
      changed.insert(changed.end(), logits.begin(), logits.end());
      const RankReport after = Report();
      EXPECT_LE(after.resident_bytes + after.window_bytes, cap);
      residents.insert(after.resident_bytes);
      EXPECT_EQ(after.decode_read_bytes - before.decode_read_bytes,
                4 * (after.share_bytes - after.resident_bytes))
          << percent << " percent, " << rank_count << " ranks";
    }
    EXPECT_EQ(changed, undisturbed) << rank_count << " ranks";
    EXPECT_EQ(residents.size(), 3u) << "all, twice, and two caps below it";
  }
}

TEST_F(MemoryChangeTest, ResidentsFollowTheCapDownAndUp) {
  SetCap(kBudget);
  Start(1);
  const RankReport full = Report();
  ASSERT_EQ(full.resident_bytes, full.share_bytes);
  SetCap(kBudget / 2);
  Passes(1);
  const RankReport half = Report();
  EXPECT_LT(half.resident_bytes, full.resident_bytes);
  EXPECT_GT(half.resident_bytes, 0u);
  EXPECT_GT(half.window_bytes, 0u);
  SetCap(kBudget);
  Passes(1);
  const RankReport again = Report();
  EXPECT_EQ(again.resident_bytes, again.share_bytes);
  EXPECT_EQ(again.window_bytes, 0u);
  const uint64_t read = again.read_bytes;
  Passes(2);
  EXPECT_EQ(Report().read_bytes, read) << "all is in memory, no reader runs";
}

TEST_F(MemoryChangeTest, BelowTheFloorItGoesOnAtTheFloorAndSaysSoOnce) {
  SetCap(kBudget);
  Start(1);
  Passes(1);
  SetCap(4096);
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(Passes(3).empty());
  const std::string told = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Report().resident_bytes, 0u);
  EXPECT_THAT(told, HasSubstr("the floor for this plan is"));
  EXPECT_THAT(told, HasSubstr("-> 0 B of"));
  EXPECT_EQ(told.find("floor"), told.rfind("floor")) << told;
}

TEST_F(MemoryChangeTest, PressureTakesResidentsAndTheirReturnFollowsCalm) {
  SetCap(kBudget);
  Start(2);
  const RankReport full = Report();
  SetAvailable(0);
  for (int i = 0; i < 4; ++i) {
    const uint64_t before = Report().resident_bytes;
    Passes(1);
    EXPECT_TRUE(Report().resident_bytes < before || before == 0);
  }
  EXPECT_EQ(Report().resident_bytes, 0u) << "64 MiB are missing";
  SetAvailable(1 << 20);
  Passes(3);
  EXPECT_EQ(Report().resident_bytes, full.resident_bytes);
  // Rank 0 has no watch.
  EXPECT_EQ(fleet_->Reports()[0].resident_bytes,
            fleet_->Reports()[0].share_bytes);
}

TEST_F(MemoryChangeTest, AnIdleWorkerGivesMemoryUpBetweenPasses) {
  SetCap(kBudget);
  Start(2);
  SetAvailable(0);
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (Report().resident_bytes > 0 && absl::Now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(Report().resident_bytes, 0u);
}

TEST_F(MemoryChangeTest, RankZeroGivesMemoryUpWhileItRestsAndGoesOnAfter) {
  SetCap(kBudget);
  Start(1);
  const std::vector<float> undisturbed = Passes(4);
  SetCap(kBudget);
  Start(1);
  std::vector<float> rested = Passes(2);
  const absl::Duration calm = fleet_->rank(0).Rest();
  SetCap(kBudget / 4);
  EXPECT_LT(fleet_->rank(0).Rest(), calm) << "it looks again soon";
  EXPECT_LE(fleet_->Reports()[0].resident_bytes, kBudget / 4);
  EXPECT_LT(fleet_->rank(0).Rest(), calm) << "and goes on so for a while";
  const std::vector<float> after = Passes(2);
  rested.insert(rested.end(), after.begin(), after.end());
  EXPECT_EQ(rested, undisturbed);
  fleet_->rank(0).Unload();
  fleet_->rank(0).Rest();  // nothing to look after
}

// A short text of a plan for long ones.
TEST_F(MemoryChangeTest, WeightsHaveTheMemoryThatNoTextUsesYet) {
  constexpr uint32_t kContext = 6144;
  constexpr uint32_t kChunk = 512;
  FleetOptions options;
  options.run.context_positions = kContext;
  options.run.kv = parallel::KvFormat::kF32;
  options.chunk_tokens = kChunk;
  const std::string model = absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                                         "/models/shoal-stories-3m-q8_0.gguf");
  std::vector<int32_t> text(kContext);
  for (uint32_t i = 0; i < kContext; ++i) text[i] = 300 + i % 1000;
  const auto read = [&text](InProcessFleet& fleet, uint32_t begin,
                            uint32_t end) {
    std::vector<float> last;
    for (uint32_t at = begin; at < end; at += kChunk) {
      const auto logits =
          fleet.Evaluate(std::span(text).subspan(at, kChunk), at, 1);
      EXPECT_TRUE(logits.ok()) << logits.status();
      if (logits.ok()) last = *logits;
    }
    return last;
  };

  options.store_root = folder_.File("all");
  auto all = InProcessFleet::Create(model, options);
  ASSERT_TRUE(all.ok()) << all.status();
  const std::vector<float> reference = read(**all, 0, 8 * kChunk);
  const RankReport needs = (*all)->Reports()[0];
  ASSERT_GT(needs.kv_bytes, 2 * needs.share_bytes);
  all->reset();

  options.store_root = folder_.File("tight");
  // With the whole KV it holds about half of the weights; 3 MiB for the rest.
  options.budget_bytes = needs.kv_bytes + needs.share_bytes / 2 + (3 << 20);
  auto fleet = InProcessFleet::Create(model, options);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  read(**fleet, 0, kChunk);
  const RankReport begin = (*fleet)->Reports()[0];
  EXPECT_EQ(begin.resident_bytes, begin.share_bytes);
  EXPECT_EQ(read(**fleet, kChunk, 8 * kChunk), reference);
  read(**fleet, 8 * kChunk, kContext);
  const RankReport end = (*fleet)->Reports()[0];
  EXPECT_LT(end.resident_bytes, end.share_bytes);
  EXPECT_LE(end.kv_bytes + end.resident_bytes + end.window_bytes,
            options.budget_bytes);
  // And back with the next text.
  for (int i = 0; i < 3; ++i) read(**fleet, 0, kChunk);
  EXPECT_EQ((*fleet)->Reports()[0].resident_bytes, end.share_bytes);
}

TEST_F(MemoryChangeTest, ACapBelowTheFloorAtTheStartIsRefused) {
  SetCap(4096);
  FleetOptions options;
  options.store_root = folder_.File("stores");
  options.memory_watch.emplace();
  options.memory_watch->cap_file = folder_.File("cap");
  const auto fleet =
      InProcessFleet::Create(absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                                          "/models/shoal-stories-3m-q8_0.gguf"),
                             options);
  EXPECT_EQ(fleet.status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace shoal::worker
