#include "cli/cluster_config.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/cluster_options.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string SourceFolder() { return std::getenv("SHOAL_SOURCE_DIR"); }

std::string Refusal(const std::string& text) {
  const auto config = ParseClusterConfig(text, "/etc/fleet.textproto");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

TEST(ClusterConfigTest, EveryExampleIsReadAndItsModelIsThere) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat(SourceFolder(), "/cluster-configs"))) {
    const auto config = ReadClusterConfig(entry.path().string());
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_FALSE(config->name.empty());
    EXPECT_TRUE(std::filesystem::exists(config->model_file))
        << config->model_file;
    ++count;
  }
  EXPECT_GE(count, 1);
}

TEST(ClusterConfigTest, Local4MakesFourStreamingDevicesOfThisMachine) {
  WhereFlags where;
  where.cluster =
      absl::StrCat(SourceFolder(), "/cluster-configs/local-4.textproto");
  HowFlags how;
  how.store = "/stores";
  const auto options = SessionOptionsOfCluster("", where, how);
  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_THAT(options->local_devices, SizeIs(4));
  EXPECT_EQ(options->expect, 0u);
  EXPECT_EQ(options->local_devices[3].name, "pocket");
  EXPECT_EQ(options->local_devices[3].budget_bytes, 48u << 20);
  EXPECT_EQ(options->local_devices[3].store_directory, "/stores/pocket");
  EXPECT_EQ(options->plan.run.weights, parallel::WeightsMode::kStream);
  EXPECT_EQ(options->plan.payload, parallel::Payload::kF64);
  EXPECT_THAT(options->plan.shares, ElementsAre(1, 1, 1, 1));
}

TEST(ClusterConfigTest, AFlagWinsOverTheFile) {
  WhereFlags where;
  where.cluster =
      absl::StrCat(SourceFolder(), "/cluster-configs/local-4.textproto");
  HowFlags how;
  how.store = "/stores";
  how.weights = parallel::WeightsMode::kAuto;
  how.memory_bytes = {99 << 20};
  how.context = 64;
  const auto options = SessionOptionsOfCluster("", where, how);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->plan.run.weights, parallel::WeightsMode::kAuto);
  EXPECT_EQ(options->plan.run.context_positions, 64u);
  EXPECT_EQ(options->local_devices[0].budget_bytes, 99u << 20);
}

TEST(ClusterConfigTest, TakesEveryField) {
  const auto config = ParseClusterConfig(R"(
      name: "attic fleet"
      listen: "192.168.1.10:7070"
      devices { name: "desk" threads: 2 ram_cap: "1GiB" disk_cap: "2GiB"
                store: "weights" }
      devices { name: "pi" }
      model { file: "m.gguf" ctx: 256 chunk: 32 weights: "resident"
              parallel: "tp=1,pp=2" payload: "f64" collective: "star"
              activations: "f32" kv: "f32" }
      join_timeout: "90s" data_timeout: "5s" token_file: "token"
      insecure: true)",
                                         "/etc/shoal/fleet.textproto");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name, "attic fleet");
  EXPECT_EQ(config->listen, "192.168.1.10:7070");
  ASSERT_THAT(config->devices, SizeIs(2));
  EXPECT_TRUE(config->devices[0].local);
  EXPECT_EQ(config->devices[0].disk_cap_bytes, uint64_t{2} << 30);
  EXPECT_EQ(config->devices[0].store, "/etc/shoal/weights");
  EXPECT_FALSE(config->devices[1].local);
  EXPECT_EQ(config->model_file, "/etc/shoal/m.gguf");
  EXPECT_EQ(config->how.context, 256u);
  EXPECT_EQ(config->how.chunk, 32u);
  EXPECT_EQ(config->how.weights, parallel::WeightsMode::kResident);
  EXPECT_EQ(config->how.pipeline_parallel, 2u);
  EXPECT_EQ(config->how.payload, parallel::Payload::kF64);
  EXPECT_EQ(config->how.collective, parallel::Collective::kStar);
  EXPECT_EQ(config->how.f32_activations, true);
  EXPECT_EQ(config->how.kv, parallel::KvFormat::kF32);
  EXPECT_EQ(config->how.data_timeout, absl::Seconds(5));
  EXPECT_EQ(config->join_timeout, absl::Seconds(90));
  EXPECT_EQ(config->token_file, "/etc/shoal/token");
  EXPECT_TRUE(config->insecure);
}

TEST(ClusterConfigTest, AnErrorHasFileLineAndColumn) {
  EXPECT_THAT(Refusal("name: \"x\"\nnodes: 3\n"),
              HasSubstr("/etc/fleet.textproto:2:"));
  EXPECT_THAT(Refusal("devices { name: \"a\"\n  ram_cap: \"lots\" }"),
              HasSubstr("/etc/fleet.textproto:2:3: ram_cap: 'lots': "));
  EXPECT_THAT(
      Refusal("devices { name: \"a\" }\n\nmodel { weights: \"paper\" }"),
      HasSubstr("/etc/fleet.textproto:3:9: weights: 'paper': it must be one "
                "of auto, resident, stream"));
  EXPECT_THAT(Refusal("devices { name: \"a\" }\ndevices { name: \"a\" }"),
              HasSubstr("/etc/fleet.textproto:2:1: devices: two devices"));
  EXPECT_THAT(Refusal("devices { threads: 1 }"), HasSubstr("without a name"));
  EXPECT_THAT(Refusal("listen: \"here\""), HasSubstr(":1:1: listen: "));
  EXPECT_THAT(Refusal("join_timeout: \"soon\""), HasSubstr("join_timeout"));
  EXPECT_THAT(Refusal("devices { name: \"a\" threads: 1000 }"),
              HasSubstr("threads: 1000"));
  EXPECT_THAT(Refusal("devices { name: \"a\" share: -1 }"),
              HasSubstr("share: it must be 0 or more"));
}

TEST(ClusterConfigTest, RefusesWhatCannotBe) {
  EXPECT_THAT(Refusal(""), HasSubstr("at least one"));
  EXPECT_THAT(Refusal("devices { name: \"a\" } devices { name: \"b\" }"),
              HasSubstr("listen: it is missing"));
  EXPECT_THAT(Refusal("listen: \"h:1\" devices { name: \"a\" }"
                      "devices { name: \"b\" ram_cap: \"1GiB\" }"),
              HasSubstr("b is elsewhere"));
  EXPECT_THAT(Refusal("listen: \"h:1\" devices { name: \"a\" share: 1 }"
                      "devices { name: \"b\" share: 1 }"),
              HasSubstr("shares need all devices to be local"));
  EXPECT_EQ(ReadClusterConfig("/nonexistent").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ClusterConfigTest, AClusterWithoutAModelAsksForOne) {
  const std::string path =
      absl::StrCat(::testing::TempDir(), "/no_model.textproto");
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("devices { name: \"a\" }", file);
  std::fclose(file);
  WhereFlags where;
  where.cluster = path;
  const auto options = SessionOptionsOfCluster("", where, {});
  EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(options.status().message()), HasSubstr("--model"));
}

}  // namespace
}  // namespace shoal::cli
