#include "worker/cpu_rates.h"

#include "gtest/gtest.h"

namespace shoal::worker {
namespace {

constexpr CpuLimits kLimits = {
    .threads = 1, .read_bytes = 10, .integer_macs = 1000, .float_macs = 100};

TEST(CpuRatesTest, TheLimitThatIsNearerBinds) {
  ProductCase product;
  LimitShare share =
      ShareOf(product, {.weight_bytes = 9, .macs = 500}, kLimits);
  EXPECT_EQ(share.limit, LimitShare::Limit::kRead);
  EXPECT_DOUBLE_EQ(share.share, 0.9);
  share = ShareOf(product, {.weight_bytes = 3, .macs = 500}, kLimits);
  EXPECT_EQ(share.limit, LimitShare::Limit::kInteger);
  EXPECT_DOUBLE_EQ(share.share, 0.5);
  product.encoding = kernels::Encoding::kF32;
  share = ShareOf(product, {.weight_bytes = 3, .macs = 50}, kLimits);
  EXPECT_EQ(share.limit, LimitShare::Limit::kFloat);
  EXPECT_DOUBLE_EQ(share.share, 0.5);
}

TEST(CpuRatesTest, BytesAndMultiplyAddsAreThoseOfTheShape) {
  const auto kernels = kernels::SelectKernels("auto");
  CpuMeter::Options options;
  options.kernels = *kernels;
  options.working_bytes = 1 << 20;
  options.time = absl::Milliseconds(1);
  const auto meter = CpuMeter::Create(options);
  ASSERT_TRUE(meter.ok()) << meter.status();
  const auto team = kernels::ThreadTeam::Create(2);
  for (const kernels::WeightType type : kernels::SupportedWeightTypes()) {
    SCOPED_TRACE(kernels::InfoOf(type).name);
    for (const uint32_t tokens : {1u, 5u}) {
      ProductCase product{type, kernels::InfoOf(type).encoding, 40, 512,
                          tokens};
      const ProductRate rate = (*meter)->MeasureProduct(*team, product);
      EXPECT_GT(rate.macs, 0);
      const auto bytes = static_cast<double>(kernels::BytesOf(type, 40 * 512));
      EXPECT_NEAR(rate.macs / rate.weight_bytes, 40 * 512 * tokens / bytes,
                  1e-6 * rate.macs / rate.weight_bytes);
    }
  }
}

TEST(CpuRatesTest, LimitsAreMeasuredForTheTeamGiven) {
  const auto kernels = kernels::SelectKernels("scalar");
  CpuMeter::Options options;
  options.kernels = *kernels;
  options.working_bytes = 1 << 16;
  options.time = absl::Milliseconds(1);
  const auto meter = CpuMeter::Create(options);
  ASSERT_TRUE(meter.ok()) << meter.status();
  EXPECT_EQ((*meter)->loops().isa, "scalar");
  const auto team = kernels::ThreadTeam::Create(2);
  const CpuLimits limits = (*meter)->MeasureLimits(*team);
  EXPECT_EQ(limits.threads, 2u);
  EXPECT_GT(limits.read_bytes, 1e6);
  EXPECT_GT(limits.sustained_read_bytes, 1e6);
  EXPECT_GT(limits.integer_macs, 1e6);
  EXPECT_GT(limits.float_macs, 1e6);
}

}  // namespace
}  // namespace shoal::worker
