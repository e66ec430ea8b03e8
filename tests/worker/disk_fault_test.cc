// What a rank makes of a disk that fails while a model runs, whatever engine
// reads it: an error that says what happened, or the right logits; never wrong
// ones.

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_files.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/simulated_clock.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::worker {
namespace {

using memory::IoEngine;
using ::testing::HasSubstr;
using testing::InProcessFleet;

constexpr uint32_t kPasses = 6;

// The logits of passes until one fails.
struct Outcome {
  std::vector<std::vector<float>> logits;
  absl::Status status;
};

Outcome RunPasses(InProcessFleet& fleet) {
  Outcome outcome;
  for (uint32_t pass = 0; pass < kPasses; ++pass) {
    const std::vector<int32_t> token = {static_cast<int32_t>(300 + pass)};
    auto logits = fleet.Evaluate(token, pass, 1);
    outcome.status = logits.status();
    if (!logits.ok()) break;
    outcome.logits.push_back(*std::move(logits));
  }
  return outcome;
}

class DiskFaultTest : public ::testing::TestWithParam<IoEngine> {
 protected:
  void SetUp() override {
    if (GetParam() == IoEngine::kUring) {
      std::ofstream(folder_.File("probe")) << "x";
      const auto probe = memory::FileSystem::Real(GetParam())
                             .OpenForReading(folder_.File("probe"));
      if (!probe.ok()) GTEST_SKIP() << probe.status();
    }
    // By the engine that is best here, from a disk without fault.
    auto fleet = Start(nullptr, nullptr);
    ASSERT_TRUE(fleet.ok()) << fleet.status();
    healthy_ = RunPasses(**fleet);
    ASSERT_TRUE(healthy_.status.ok()) << healthy_.status;
    ASSERT_EQ((*fleet)->Reports()[0].resident_bytes, 0u);
  }

  absl::StatusOr<std::unique_ptr<InProcessFleet>> Start(
      testing::FaultyFileSystem* files, base::Clock* clock) {
    testing::FleetOptions options;
    options.run.weights = parallel::WeightsMode::kStream;
    // A window of a part of the share: every pass reads.
    options.budget_bytes = uint64_t{2400} << 10;
    options.chunk_tokens = 1;
    options.store_root = folder_.File("store");
    options.file_system = files;
    options.clock = clock;
    return InProcessFleet::Create(
        absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                     "/models/shoal-stories-3m-q8_0.gguf"),
        options);
  }

  std::string UnitsFile() const {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder_.File("store"))) {
      if (entry.path().extension() == ".bin") return entry.path().string();
    }
    return "";
  }

  // What came before the fault is right.
  void ExpectNoWrongLogits(const Outcome& outcome) {
    ASSERT_LE(outcome.logits.size(), healthy_.logits.size());
    for (size_t i = 0; i < outcome.logits.size(); ++i) {
      EXPECT_EQ(outcome.logits[i], healthy_.logits[i]) << i;
    }
  }

  const testing::TemporaryFolder folder_;
  Outcome healthy_;
};

TEST_P(DiskFaultTest, AStoreDeletedWhileTheModelRunsIsReadOn) {
  testing::FaultyFileSystem files(GetParam());
  auto fleet = Start(&files, nullptr);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  std::filesystem::remove_all(folder_.File("store"));
  const Outcome outcome = RunPasses(**fleet);
  EXPECT_EQ(outcome.status, absl::OkStatus());
  EXPECT_EQ(outcome.logits, healthy_.logits);
}

TEST_P(DiskFaultTest, AStoreCutShortEndsThePassWithItsName) {
  testing::FaultyFileSystem files(GetParam());
  auto fleet = Start(&files, nullptr);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const std::string path = UnitsFile();
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const Outcome outcome = RunPasses(**fleet);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kOutOfRange)
      << outcome.status;
  EXPECT_THAT(std::string(outcome.status.message()), HasSubstr(path));
  ExpectNoWrongLogits(outcome);
}

TEST_P(DiskFaultTest, ADiskThatFailsOnceOrForGoodNeverGivesWrongLogits) {
  for (const bool lasting : {false, true}) {
    testing::FaultyFileSystem files(GetParam());
    std::atomic<int> reads = -1;  // below 0: while the model is loaded
    files.set_read_hook([&](uint64_t, std::span<std::byte>) {
      const int number = reads < 0 ? 0 : ++reads;
      const bool fails = lasting ? number >= 9 : number == 9;
      return fails ? absl::UnavailableError("input/output error")
                   : absl::OkStatus();
    });
    auto fleet = Start(&files, nullptr);
    ASSERT_TRUE(fleet.ok()) << fleet.status();
    reads = 0;
    const Outcome outcome = RunPasses(**fleet);
    ExpectNoWrongLogits(outcome);
    ASSERT_GE(reads, 9);
    // What fails once is read again.
    if (!lasting) {
      EXPECT_EQ(outcome.status, absl::OkStatus());
    } else {
      EXPECT_EQ(outcome.status.code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(std::string(outcome.status.message()),
                  HasSubstr("input/output error"));
    }
  }
}

TEST_P(DiskFaultTest, AFlippedBitInAnyUnitIsFetchedAgain) {
  const std::string path = UnitsFile();
  const uint64_t bytes = std::filesystem::file_size(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  for (uint64_t at = 700; at < bytes; at += 300'000) {
    char byte = 0;
    file.seekg(static_cast<std::streamoff>(at)).read(&byte, 1);
    byte = static_cast<char>(byte ^ 4);
    file.seekp(static_cast<std::streamoff>(at)).write(&byte, 1);
  }
  file.close();
  testing::FaultyFileSystem files(GetParam());
  auto fleet = Start(&files, nullptr);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const Outcome outcome = RunPasses(**fleet);
  EXPECT_EQ(outcome.status, absl::OkStatus());
  EXPECT_EQ(outcome.logits, healthy_.logits);
}

TEST_P(DiskFaultTest, ADiskThatStopsForTenSecondsIsWaitedFor) {
  testing::SimulatedClock clock(1 + 2);  // and the readers of the window
  testing::FaultyFileSystem files(GetParam());
  std::atomic<int> reads = -1;
  files.set_read_hook([&](uint64_t, std::span<std::byte>) {
    if (reads >= 0 && ++reads == 9) clock.SleepFor(absl::Seconds(10));
    return absl::OkStatus();
  });
  auto fleet = Start(&files, &clock);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  reads = 0;
  const absl::Time start = clock.Now();
  const Outcome outcome = RunPasses(**fleet);
  EXPECT_EQ(clock.Now() - start, absl::Seconds(10));
  clock.RunFree();
  EXPECT_EQ(outcome.status, absl::OkStatus());
  EXPECT_EQ(outcome.logits, healthy_.logits);
}

TEST_P(DiskFaultTest, AFullDiskIsRefusedWithNumbersAndLaterFilledUp) {
  std::filesystem::remove_all(folder_.File("store"));
  testing::FaultyFileSystem files(GetParam());
  files.set_free_bytes(uint64_t{1} << 20);
  auto fleet = Start(&files, nullptr);
  EXPECT_EQ(fleet.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(fleet.status().message()),
              HasSubstr("bytes are free"));
  files.set_free_bytes(std::numeric_limits<uint64_t>::max());
  fleet = Start(&files, nullptr);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const Outcome outcome = RunPasses(**fleet);
  EXPECT_EQ(outcome.status, absl::OkStatus());
  EXPECT_EQ(outcome.logits, healthy_.logits);
}

INSTANTIATE_TEST_SUITE_P(Engines, DiskFaultTest,
                         ::testing::Values(IoEngine::kUring, IoEngine::kPread,
                                           IoEngine::kMmap));

}  // namespace
}  // namespace shoal::worker
