#include "cli/explain_text.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// edge2 reads 40 MB of its share for each token.
parallel::TokenModel SlowDisk() {
  parallel::FleetCost cost;
  cost.exchange_count = 33;
  for (int r = 0; r < 2; ++r) {
    parallel::DeviceCost device;
    device.name = r == 0 ? "desk" : "edge2";
    device.is_hub = r == 0;
    device.compute = absl::Milliseconds(50);
    device.share_bytes = 100'000'000;
    device.resident_bytes = r == 0 ? 100'000'000 : 60'000'000;
    device.budget_bytes = 200 << 20;
    device.disk_bytes_per_second = 1e9;
    cost.devices.push_back(device);
  }
  cost.devices[0].wait = absl::Milliseconds(350);
  cost.devices[1].awaited = absl::Milliseconds(350);
  cost.devices[1].stall = absl::Milliseconds(349);
  cost.devices[1].wait = absl::Milliseconds(1);
  cost.devices[1].read_bytes = 40e6;
  auto model = parallel::TokenModel::Create(std::move(cost));
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

TEST(ExplainTextTest, TellsDevicesBottleneckAndRemediesWithTheirGain) {
  const parallel::TokenModel model = SlowDisk();
  const std::string text =
      ExplainText(model, parallel::Diagnose(model), 57, {});
  EXPECT_THAT(text, StartsWith("400.0 ms a token (2.50 tokens/s), the mean of "
                               "57; of each token, in ms:\n"));
  EXPECT_THAT(text, HasSubstr("edge2     50%     50.0       349.0       0.0    "
                              "1.0    350.0  38.1 MiB  95.4 MiB/s"));
  EXPECT_THAT(text, HasSubstr("\nbottleneck: the disk of edge2: it reads 38.1 "
                              "MiB for each token at 95.4 MiB/s and waits 349 "
                              "ms for it; other disks here do 953.7 MiB/s\n"));
  EXPECT_THAT(text, HasSubstr("\n1. give edge2 34 MiB more memory: 400 -> 51 "
                              "ms/token\n   start edge2 with --memory 234MiB, "
                              "or set its ram_cap: \"234MiB\" in the cluster "
                              "file\n2. "));
  EXPECT_THAT(text, HasSubstr("start the fleet with --shares "));
  EXPECT_THAT(text, Not(HasSubstr("alone")));
}

TEST(ExplainTextTest, SaysWhenOneDeviceAloneWouldBeFaster) {
  const parallel::TokenModel model = SlowDisk();
  const parallel::Diagnosis diagnosis = parallel::Diagnose(model);
  EXPECT_THAT(
      ExplainText(model, diagnosis, 1, {"desk", absl::Milliseconds(100)}),
      HasSubstr("desk alone is expected to take 100.0 ms a token"));
  EXPECT_THAT(
      ExplainText(model, diagnosis, 1, {"desk", absl::Milliseconds(500)}),
      Not(HasSubstr("alone")));
}

TEST(ExplainTextTest, TheObjectSaysTheSame) {
  const parallel::TokenModel model = SlowDisk();
  const auto json = ExplainJson(model, parallel::Diagnose(model), 57,
                                {"desk", absl::Milliseconds(100)});
  EXPECT_EQ(json["tokens"], 57);
  EXPECT_EQ(json["ms_per_token"], 400.0);
  EXPECT_EQ(json["bottleneck"]["device"], "edge2");
  EXPECT_EQ(json["bottleneck"]["rank"], 1);
  EXPECT_EQ(json["bottleneck"]["cause"], "disk");
  EXPECT_EQ(json["remedies"][0]["kind"], "memory");
  EXPECT_EQ(json["remedies"][0]["flags"], "--memory 234MiB");
  EXPECT_NEAR(json["remedies"][0]["predicted_ms_per_token"], 51, 4);
  EXPECT_EQ(json["devices"][1]["stall_ms"], 349.0);
  EXPECT_EQ(json["devices"][1]["read_bytes"], 40e6);
  EXPECT_EQ(json["best_single_device"]["name"], "desk");
}

}  // namespace
}  // namespace shoal::cli
