#include "cli/cluster_config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/cluster_options.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/cluster_config.pb.h"
#include "tests/testing/temporary_folder.h"

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
  EXPECT_EQ(count, 5);
}

ClusterConfig Example(const std::string& name) {
  auto config = ReadClusterConfig(
      absl::StrCat(SourceFolder(), "/cluster-configs/", name, ".textproto"));
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

SessionOptions OptionsOfExample(const std::string& name) {
  WhereFlags where;
  where.cluster =
      absl::StrCat(SourceFolder(), "/cluster-configs/", name, ".textproto");
  HowFlags how;
  how.store = "/stores";
  auto options = SessionOptionsOfCluster("", where, how);
  EXPECT_TRUE(options.ok()) << options.status();
  return *std::move(options);
}

TEST(ClusterConfigTest, Pi4ClusterIsLaunchedOverSshWithACapOnTheSlowOne) {
  const ClusterConfig config = Example("pi4-cluster");
  ASSERT_THAT(config.devices, SizeIs(4));
  EXPECT_EQ(config.devices[3].address, "192.168.1.43");
  EXPECT_EQ(config.devices[3].ssh_user, "pi");
  EXPECT_EQ(config.devices[3].max_share, 0.1);
  EXPECT_EQ(config.devices[3].disk_cap_bytes, uint64_t{8} << 30);
}

TEST(ClusterConfigTest, TwoStageGivesSharesByNameInTwoStages) {
  const SessionOptions options = OptionsOfExample("two-stage");
  EXPECT_EQ(options.plan.tensor_parallel, 2u);
  EXPECT_EQ(options.plan.pipeline_parallel, 2u);
  EXPECT_TRUE(options.plan.shares.empty());
  EXPECT_EQ(options.plan.shares_by_name.at("a0"), 2);
  EXPECT_THAT(options.device_names, ElementsAre("a0", "a1", "b0", "b1"));
}

TEST(ClusterConfigTest, MixedLaptopsLeaveTheWeightsToTheOthers) {
  const ClusterConfig config = Example("mixed-laptops");
  EXPECT_FALSE(config.coordinator_computes);
  EXPECT_EQ(config.devices[1].ssh_port, 2222u);
  EXPECT_EQ(config.devices[2].program, "/usr/local/bin/shoal");
}

TEST(ClusterConfigTest, PhonesWifiStartsWithoutThoseThatAreAway) {
  const ClusterConfig config = Example("phones-wifi");
  ASSERT_THAT(config.devices, SizeIs(4));
  for (size_t i = 1; i < 4; ++i) EXPECT_TRUE(config.devices[i].optional);
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
      devices { name: "pi" address: "pi.local" ssh_user: "me" ssh_port: 22
                max_share: 0.5 optional: true program: "/bin/shoal"
                store: "there" ram_cap: "1MiB" }
      model { file: "m.gguf" transport: "zmq" head: "coordinator" ctx: 256 chunk: 32 weights: "resident"
              parallel: "tp=1,pp=2" payload: "f64" collective: "star"
              activations: "f32" kv: "f32" }
      join_timeout: "90s" data_timeout: "5s" token_file: "token"
      coordinator_computes: false secrets: "keys" ssh_config: "ssh"
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
  EXPECT_EQ(config->devices[1].address, "pi.local");
  EXPECT_EQ(config->devices[1].ssh_user, "me");
  EXPECT_EQ(config->devices[1].ssh_port, 22u);
  EXPECT_EQ(config->devices[1].max_share, 0.5);
  EXPECT_TRUE(config->devices[1].optional);
  EXPECT_EQ(config->devices[1].program, "/bin/shoal");
  EXPECT_EQ(config->devices[1].store, "there");
  EXPECT_FALSE(config->coordinator_computes);
  EXPECT_EQ(config->secrets, "/etc/shoal/keys");
  EXPECT_EQ(config->ssh_config, "/etc/shoal/ssh");
  EXPECT_EQ(config->how.transport, parallel::Transport::kZmq);
  EXPECT_EQ(config->how.head, parallel::HeadPlacement::kCoordinator);
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
  EXPECT_THAT(Refusal("devices {\n  name: \"a\"\n  thread: 3 }"),
              HasSubstr("/etc/fleet.textproto:3:3: thread: there is no such "
                        "field, did you mean threads? (fields of devices: "
                        "name, local,"));
  EXPECT_THAT(Refusal("model { weigths: \"auto\" }"),
              HasSubstr("did you mean weights? (fields of model: file, "));
  EXPECT_THAT(Refusal("lissten: \"h:1\""),
              HasSubstr("did you mean listen? (fields outside of devices and "
                        "model: name, listen,"));
  EXPECT_THAT(
      Refusal("devices { name: \"a\"\n threads: \"two\" }"),
      HasSubstr("/etc/fleet.textproto:2:11: threads: it must be a whole "
                "number of 0 or more, not \"two\""));
  EXPECT_THAT(Refusal("devices { name: 5 }"),
              HasSubstr("name: it must be text in quotation marks, not 5"));
  EXPECT_THAT(
      Refusal("insecure: maybe"),
      HasSubstr(":1:16: insecure: it must be true or false, not maybe"));
  EXPECT_THAT(Refusal("model { ctx: 0 }"),
              HasSubstr(":1:9: ctx: '0': it must be a whole number from 1"));
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
              HasSubstr("threads: '1000': it must be a whole number from 1 to "
                        "256"));
  EXPECT_THAT(Refusal("devices { name: \"a\" max_share: 1.5 }"),
              HasSubstr("max_share: '1.5': it must be above 0 and at most 1"));
  EXPECT_THAT(Refusal("devices { name: \"a\" share: -1 }"),
              HasSubstr("share: '-1': it must be 0 or more"));
}

TEST(ClusterConfigTest, RefusesWhatCannotBe) {
  EXPECT_THAT(Refusal(""), HasSubstr("listen: it is missing"));
  EXPECT_THAT(Refusal("devices { name: \"a\" } devices { name: \"b\" }"),
              HasSubstr("listen: it is missing"));
  EXPECT_THAT(Refusal("listen: \"h:1\" devices { name: \"a\" }"
                      "devices { name: \"b\" ram_cap: \"1GiB\" }"),
              HasSubstr("'b': it is elsewhere"));
  EXPECT_THAT(Refusal("listen: \"h:1\" devices { name: \"a\" share: 1 }"
                      "devices { name: \"b\" }"),
              HasSubstr("b has no share, but others have"));
  EXPECT_THAT(Refusal("devices { name: \"a\" address: \"b\" }"),
              HasSubstr("address: 'b': a is on this machine"));
  EXPECT_THAT(Refusal("listen: \"h:1\" devices { name: \"a\" }"
                      "devices { name: \"b\" ssh_user: \"me\" }"),
              HasSubstr("need an address"));
  EXPECT_THAT(Refusal("devices { name: \"a\" max_share: 0.5 }"
                      "devices { name: \"b\" local: true max_share: 0.4 }"),
              HasSubstr("max_share of all devices together is 0.9"));
  EXPECT_THAT(Refusal("expect: 2 devices { name: \"a\" }"),
              HasSubstr("expect: '2': the devices are listed"));
  EXPECT_THAT(Refusal("devices { name: \"a\" optional: true }"),
              HasSubstr("a, the first, is the coordinator"));
  EXPECT_THAT(Refusal("devices { name: \"a/b\" }"), HasSubstr("without /"));
  EXPECT_THAT(Refusal("listen: \"h:1\" devices { name: \"a\" }"
                      "devices { name: \"b\" address: \"-oProxy\" }"),
              HasSubstr("address: '-oProxy': it must be one word"));
  EXPECT_EQ(ReadClusterConfig("/nonexistent").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ClusterConfigTest, WithoutDevicesAnyWorkerMayJoin) {
  const std::string model =
      absl::StrCat(SourceFolder(), "/models/shoal-stories-3m-q8_0.gguf");
  const testing::TemporaryFolder folder;
  const std::string path = folder.File("any.textproto");
  const auto options_of = [&](const std::string& text) {
    std::ofstream(path) << text;
    WhereFlags where;
    where.cluster = path;
    HowFlags how;
    how.store = "/stores";
    auto options = SessionOptionsOfCluster(model, where, how);
    EXPECT_TRUE(options.ok()) << options.status();
    return *std::move(options);
  };
  const SessionOptions any = options_of("listen: \"127.0.0.1:0\"");
  EXPECT_EQ(any.expect, 1u);
  EXPECT_TRUE(any.any_may_join);
  EXPECT_TRUE(any.device_names.empty());
  EXPECT_THAT(any.local_devices, SizeIs(1));
  const SessionOptions two = options_of("listen: \"127.0.0.1:0\" expect: 2");
  EXPECT_EQ(two.expect, 2u);
  EXPECT_FALSE(two.any_may_join);
}

// docs/cluster-file.md has a row for each field, as config explain tells it.
TEST(ClusterConfigTest, TheReferenceNamesEveryFieldOfTheSchema) {
  std::vector<std::string> paths;
  const auto* top = proto::ClusterConfig::descriptor();
  for (int i = 0; i < top->field_count(); ++i) {
    paths.push_back(top->field(i)->name());
    const auto* inner = top->field(i)->message_type();
    for (int j = 0; inner != nullptr && j < inner->field_count(); ++j) {
      paths.push_back(
          absl::StrCat(top->field(i)->name(), ".", inner->field(j)->name()));
    }
  }
  std::ifstream file(absl::StrCat(SourceFolder(), "/docs/cluster-file.md"));
  const std::string reference{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> known;
  for (const ClusterField& field : ClusterFields()) {
    known.emplace_back(field.path);
    const std::string row = absl::StrCat(
        "| `", field.path, "` | ", field.allowed, " | ", field.fallback, " | ",
        field.flag.empty() ? "" : absl::StrCat("`", field.flag, "`"), " |");
    EXPECT_THAT(reference, HasSubstr(row));
  }
  EXPECT_THAT(known, ::testing::UnorderedElementsAreArray(paths));
}

TEST(ClusterConfigTest, AClusterWithoutAModelAsksForOne) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.File("no_model.textproto");
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
