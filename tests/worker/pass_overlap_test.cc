// A whole pass of a rank that streams: reading and computing happen at the same
// time. On a simulated clock, with a disk and kernels that take a set time for
// each byte; all else takes none.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kernels/kernel_table.h"
#include "kernels/layout.h"
#include "tests/testing/fake_files.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/simulated_clock.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::worker {
namespace {

constexpr double kComputeBytesPerSecond = 100e6;
constexpr int kReaders = 2;  // memory::WeightCache::Options::reads_in_flight

// What the kernels below use; they are plain functions.
struct Bench {
  testing::SimulatedClock* clock = nullptr;
  const kernels::KernelTable* real = nullptr;
  std::atomic<bool> timed = false;  // not while the model is loaded
  absl::Duration computed;
};
Bench* bench = nullptr;

void TimedProduct(const kernels::WeightMatrix& weights, uint32_t row_begin,
                  uint32_t row_end, const kernels::ActivationView& input,
                  const kernels::ProductOutput& output) {
  bench->real->product(weights, row_begin, row_end, input, output);
  if (!bench->timed) return;
  const double bytes = static_cast<double>(weights.bytes()) *
                       (row_end - row_begin) / weights.rows;
  const absl::Duration time = absl::Seconds(bytes / kComputeBytesPerSecond);
  bench->computed += time;
  bench->clock->SleepFor(time);
}

class PassOverlapTest : public ::testing::TestWithParam<double> {};

TEST_P(PassOverlapTest, APassTakesTheLargerOfReadingAndComputing) {
  const double disk_bytes_per_second = GetParam() * kComputeBytesPerSecond;
  testing::SimulatedClock clock(1 + kReaders);
  testing::DiskTime disk(clock, disk_bytes_per_second);
  Bench own;
  own.clock = &clock;
  const auto real = kernels::SelectKernels("auto");
  ASSERT_TRUE(real.ok());
  own.real = *real;
  bench = &own;
  kernels::KernelTable timed = **real;
  timed.product = &TimedProduct;
  testing::FaultyFileSystem files;
  files.set_read_hook([&](uint64_t, std::span<std::byte> bytes) {
    if (own.timed) disk.Spend(bytes.size());
    return absl::OkStatus();
  });
  testing::TemporaryFolder folder;
  testing::FleetOptions options;
  options.run.weights = parallel::WeightsMode::kStream;
  options.budget_bytes = uint64_t{2400} << 10;
  options.chunk_tokens = 1;
  options.store_root = folder.path();
  options.kernels = &timed;
  options.file_system = &files;
  options.clock = &clock;
  auto fleet = testing::InProcessFleet::Create(
      absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                   "/models/shoal-stories-3m-q8_0.gguf"),
      options);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const std::vector<int32_t> token = {300};
  own.timed = true;
  constexpr uint32_t kPasses = 4;
  absl::Time start;
  for (uint32_t pass = 0; pass < 2 + kPasses; ++pass) {
    if (pass == 2) {  // the window is in its rhythm
      start = clock.Now();
      own.computed = absl::ZeroDuration();
    }
    ASSERT_TRUE((*fleet)->Evaluate(token, pass, 1).ok());
  }
  const absl::Duration taken = (clock.Now() - start) / kPasses;
  const absl::Duration computing = own.computed / kPasses;
  const parallel::RankReport report = (*fleet)->Reports()[0];
  const absl::Duration reading = absl::Seconds(
      static_cast<double>(report.share_bytes) / disk_bytes_per_second);
  clock.RunFree();
  ASSERT_EQ(report.resident_bytes, 0u);
  ASSERT_LT(report.window_bytes, report.share_bytes / 2);
  EXPECT_GE(taken, 0.95 * std::max(reading, computing));
  EXPECT_LE(taken, 1.3 * std::max(reading, computing));
  // Much less than one after the other.
  EXPECT_LE(taken, 0.9 * (reading + computing));
}

INSTANTIATE_TEST_SUITE_P(DiskSlowerAsFastAndFaster, PassOverlapTest,
                         ::testing::Values(0.6, 1.0, 1.5));

}  // namespace
}  // namespace shoal::worker
