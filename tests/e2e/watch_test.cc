// Operator.Watch on a fleet of real processes: its figures are those that the
// run itself reports.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/operator.grpc.pb.h"
#include "tests/e2e/fleet_processes.h"

namespace shoal::testing {
namespace {

using nlohmann::json;

class WatchTest : public FleetProcessesTest {
 protected:
  // The updates of a whole run, from the moment in which it listens.
  std::vector<proto::WatchUpdate> Watch(cli::Program& run) {
    EXPECT_TRUE(run.WaitForError("coordinator at "));
    EXPECT_TRUE(run.WaitForError("generating\n"));
    const std::string& said = run.so_far().err;
    const size_t begin = said.find("coordinator at ") + 15;
    const auto stub = proto::Operator::NewStub(
        grpc::CreateChannel(said.substr(begin, said.find('\n', begin) - begin),
                            grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    proto::WatchRequest request;
    request.set_rate(4);
    const auto reader = stub->Watch(&context, request);
    std::vector<proto::WatchUpdate> updates;
    proto::WatchUpdate update;
    while (reader->Read(&update)) updates.push_back(update);
    const grpc::Status finished = reader->Finish();
    EXPECT_TRUE(finished.ok()) << finished.error_message();
    return updates;
  }
};

void ExpectSame(const json& device, const proto::DeviceSnapshot& shown) {
  const proto::DeviceTokenTime& token = shown.token_total();
  EXPECT_EQ(device["name"], shown.status().profile().name());
  EXPECT_EQ(device["rank"], shown.status().rank());
  EXPECT_EQ(device["units"], shown.status().unit_count());
  EXPECT_EQ(device["budget_bytes"], shown.budget_bytes());
  EXPECT_EQ(device["share_bytes"], shown.share_bytes());
  EXPECT_EQ(device["resident_bytes"], shown.resident_bytes());
  EXPECT_EQ(device["window_bytes"], shown.window_bytes());
  EXPECT_EQ(device["kv_bytes"], shown.kv_bytes());
  EXPECT_EQ(device["fetched_bytes"], shown.fetched_bytes());
  EXPECT_EQ(device["read_bytes"], shown.read_bytes());
  EXPECT_EQ(device["decode_passes"], token.tokens());
  EXPECT_EQ(device["isa"], shown.isa());
  EXPECT_EQ(device["io"], shown.io_engine());
  EXPECT_EQ(device["threads"], shown.threads());
  const auto near = [&device](const char* name, double value) {
    EXPECT_NEAR(device[name].get<double>(), value,
                1e-6 * (1 + device[name].get<double>()))
        << name;
  };
  near("compute_ms_per_pass", token.compute_ms());
  near("stall_ms_per_pass", token.disk_ms());
  near("wait_ms_per_pass", token.blocked_ms());
  near("exchange_ms_per_pass", token.exchange_ms());
  near("wait_ms_per_pass", token.wire_ms() + token.wait_ms() -
                               device["exchange_ms_per_pass"].get<double>());
  near("read_bytes_per_pass", token.read_bytes());
  near("sent_bytes_per_pass", token.sent_bytes());
  near("received_bytes_per_pass", token.received_bytes());
}

TEST_F(WatchTest, ItsFiguresAreThoseOfTheRunsOwnReport) {
  cli::Program run(
      StoryRun({"--local", "2", "--shares", "2,1", "--weights", "stream",
                "--max-tokens", "300", "--ignore-eos", "--json"}),
      Environment());
  const std::vector<proto::WatchUpdate> updates = Watch(run);
  const cli::ProgramResult result = run.Wait();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  ASSERT_GE(updates.size(), 2u);
  const proto::FleetSnapshot& last = updates.back().snapshot();
  ASSERT_TRUE(last.ending());

  const proto::RequestSnapshot& request = last.requests().last();
  EXPECT_EQ(report["prompt_tokens"], request.prompt_tokens());
  EXPECT_EQ(report["token_ids"].size(), request.generated_tokens());
  EXPECT_NEAR(report["time_to_first_token_ms"].get<double>(),
              request.time_to_first_token_ms(), 1e-4);
  EXPECT_NEAR(report["ms_per_token"].get<double>(), request.ms_per_token(),
              1e-4);
  EXPECT_NEAR(last.requests().tokens_per_second_average() /
                  report["tokens_per_second"].get<double>(),
              1, 1e-4);

  EXPECT_EQ(report["plan"]["epoch"], last.plan().epoch());
  ASSERT_EQ(last.devices_size(), 2);
  for (int i = 0; i < 2; ++i) {
    SCOPED_TRACE(i);
    ExpectSame(report["devices"][static_cast<size_t>(i)], last.devices(i));
  }
  EXPECT_FALSE(last.devices(0).has_round_trip_ms());
  EXPECT_GT(last.devices(1).round_trip_ms(), 0);
  EXPECT_GT(last.devices(1).rss_bytes(), 0u);

  // The parts of a token add up to it, and it is the time between tokens.
  const proto::TokenTime& token = last.token_total();
  EXPECT_NEAR(
      token.compute_ms() + token.disk_ms() + token.wire_ms() + token.wait_ms(),
      token.ms_per_token(), 1e-6);
  EXPECT_NEAR(token.ms_per_token() / request.ms_per_token(), 1, 0.05);
}

TEST_F(WatchTest, ARunIsSeenWhileItRuns) {
  cli::Program run(StoryRun({"--local", "2", "--weights", "stream",
                             "--max-tokens", "300", "--ignore-eos"}),
                   Environment());
  uint32_t tokens = 0;
  bool ran = false;
  for (const proto::WatchUpdate& update : Watch(run)) {
    const proto::FleetSnapshot& snapshot = update.snapshot();
    EXPECT_TRUE(snapshot.status().ready());
    EXPECT_EQ(snapshot.cells_size(), 4);
    if (snapshot.requests().running_count() == 0) continue;
    ran = true;
    EXPECT_GE(snapshot.requests().running(0).generated_tokens(), tokens);
    tokens = snapshot.requests().running(0).generated_tokens();
    for (const proto::DeviceSnapshot& device : snapshot.devices()) {
      EXPECT_EQ(device.state(), proto::DeviceSnapshot::SERVING);
      EXPECT_TRUE(device.has_report());
    }
  }
  EXPECT_TRUE(ran);
  EXPECT_EQ(run.Wait().exit_code, 0);
}

}  // namespace
}  // namespace shoal::testing
