#include "coordinator/token_forecast.h"

#include <vector>

#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

// One layer of four units of 1e6 multiplications and 1 MB each, and a head of
// two such.
std::vector<base::UnitSpec> Units() {
  std::vector<base::UnitSpec> units;
  for (uint32_t i = 0; i < 4; ++i) {
    units.push_back({{0, 0, base::UnitKind::kFfn, 0, i}, 1'000'000, 1'000'000});
  }
  for (uint32_t i = 0; i < 2; ++i) {
    units.push_back(
        {{1, 0, base::UnitKind::kHead, 0, i}, 1'000'000, 1'000'000});
  }
  return units;
}

parallel::Plan Halves() {
  parallel::Plan plan;
  plan.device_names = {"a", "b"};
  plan.stages = {{0, 0, 1}, {0, 1, 2}};
  plan.ranges = {{0, 0, 2}, {1, 2, 4}, {0, 4, 5}, {1, 5, 6}};
  return plan;
}

// 1e9 multiplications and 100 MB a second; all in memory.
ForecastDevice Device() {
  ForecastDevice device;
  device.profile.work_macs_per_second = 1e9;
  device.profile.disk_bytes_per_second = 1e8;
  device.profile.budget_bytes = uint64_t{1} << 30;
  device.share_bytes = 3'000'000;
  device.resident_bytes = 3'000'000;
  return device;
}

TEST(TokenForecastTest, AStageTakesAsLongAsItsSlowestRank) {
  std::vector<ForecastDevice> devices = {Device(), Device()};
  EXPECT_DOUBLE_EQ(ForecastToken(Halves(), Units(), devices)->ms_per_token, 3);
  devices[1].profile.work_macs_per_second = 5e8;
  EXPECT_DOUBLE_EQ(ForecastToken(Halves(), Units(), devices)->ms_per_token, 6);
}

TEST(TokenForecastTest, ReadingAndComputingOverlap) {
  std::vector<ForecastDevice> devices = {Device(), Device()};
  devices[0].resident_bytes = 2'900'000;  // 1 ms of reading
  EXPECT_DOUBLE_EQ(ForecastToken(Halves(), Units(), devices)->ms_per_token, 3);
  devices[0].resident_bytes = 0;  // 30 ms
  EXPECT_DOUBLE_EQ(ForecastToken(Halves(), Units(), devices)->ms_per_token, 30);
}

TEST(TokenForecastTest, NamesTheDeviceThatIsFastestAlone) {
  std::vector<ForecastDevice> devices = {Device(), Device()};
  devices[1].profile.work_macs_per_second = 2e9;
  auto forecast = ForecastToken(Halves(), Units(), devices);
  EXPECT_EQ(forecast->best_single_rank, 1u);
  EXPECT_DOUBLE_EQ(forecast->best_single_ms, 3);
  // What its memory does not hold it has to read.
  devices[1].profile.budget_bytes = 2'000'000;
  devices[1].profile.fixed_bytes = 500'000;
  devices[1].window_bytes = 300'000;
  devices[1].kv_bytes = 200'000;
  forecast = ForecastToken(Halves(), Units(), devices);
  EXPECT_EQ(forecast->best_single_rank, 0u);
  EXPECT_DOUBLE_EQ(forecast->best_single_ms, 6);
  devices[0].profile.computes = false;
  forecast = ForecastToken(Halves(), Units(), devices);
  EXPECT_EQ(forecast->best_single_rank, 1u);
  EXPECT_DOUBLE_EQ(forecast->best_single_ms, 50);
}

TEST(TokenForecastTest, WithoutARateThatIsNeededThereIsNone) {
  std::vector<ForecastDevice> devices = {Device(), Device()};
  devices[1].profile.disk_bytes_per_second = 0;
  EXPECT_TRUE(ForecastToken(Halves(), Units(), devices).has_value());
  devices[1].resident_bytes = 1;
  EXPECT_FALSE(ForecastToken(Halves(), Units(), devices).has_value());
}

}  // namespace
}  // namespace shoal::coordinator
