#include "worker/remote_unit_fetcher.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

namespace shoal::worker {
namespace {

using ::testing::ElementsAre;
using Item = parallel::UnitFetcher::Item;
using Unit = parallel::UnitFetcher::Unit;
using Writer = grpc::ServerWriter<proto::UnitChunk>;

std::string UnitText(uint32_t unit) {
  return std::string(1000 + unit, static_cast<char>('a' + unit));
}

base::Digest DigestOf(const std::string& text) {
  return base::DigestOf(std::as_bytes(std::span(text)));
}

// Serves made-up units in two chunks, each call as its script says.
class ScriptedFleet final : public proto::Fleet::Service {
 public:
  using Script = std::function<grpc::Status(const proto::FetchUnitsRequest&,
                                            grpc::ServerContext&, Writer&)>;
  std::vector<Script> scripts;                  // the last one repeats
  std::vector<std::vector<uint32_t>> requests;  // unit indices of each call

  grpc::Status FetchUnits(grpc::ServerContext* context,
                          const proto::FetchUnitsRequest* request,
                          Writer* writer) override {
    std::vector<uint32_t> units;
    for (const auto& item : request->items()) {
      units.push_back(item.unit_index());
    }
    requests.push_back(units);
    return scripts[std::min(requests.size(), scripts.size()) - 1](
        *request, *context, *writer);
  }

  static void Send(uint32_t unit, Writer& writer, bool cut = false,
                   bool damage = false) {
    const std::string text = UnitText(unit);
    proto::UnitChunk chunk;
    chunk.set_unit_index(unit);
    chunk.set_digest_high(DigestOf(text).high);
    chunk.set_digest_low(DigestOf(text).low);
    chunk.set_unit_bytes(text.size());
    chunk.set_data(text.substr(0, 600));
    writer.Write(chunk);
    if (cut) return;
    chunk.set_offset(600);
    chunk.set_data(text.substr(600));
    if (damage) (*chunk.mutable_data())[0] ^= 1;
    chunk.set_last(true);
    writer.Write(chunk);
  }

  static grpc::Status SendAll(const proto::FetchUnitsRequest& request,
                              grpc::ServerContext&, Writer& writer) {
    for (const auto& item : request.items()) Send(item.unit_index(), writer);
    return grpc::Status::OK;
  }
};

class RemoteUnitFetcherTest : public ::testing::Test {
 protected:
  RemoteUnitFetcherTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&fleet_);
    server_ = builder.BuildAndStart();
    stub_ = proto::Fleet::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                            grpc::InsecureChannelCredentials()));
    RemoteUnitFetcher::Options options;
    options.try_count_max = 3;
    options.retry_wait = absl::Milliseconds(1);
    fetcher_ = std::make_unique<RemoteUnitFetcher>(*stub_, options);
  }

  absl::Status FetchFour() {
    const std::vector<Item> items = {{0, std::nullopt},
                                     {1, std::nullopt},
                                     {2, std::nullopt},
                                     {3, std::nullopt}};
    return fetcher_->Fetch(items, [this](const Unit& unit) {
      got_.push_back(unit.unit_index);
      const std::string text = UnitText(unit.unit_index);
      EXPECT_TRUE(std::equal(unit.canonical.begin(), unit.canonical.end(),
                             std::as_bytes(std::span(text)).begin(),
                             std::as_bytes(std::span(text)).end()));
      return absl::OkStatus();
    });
  }

  ScriptedFleet fleet_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<proto::Fleet::Stub> stub_;
  std::unique_ptr<RemoteUnitFetcher> fetcher_;
  std::vector<uint32_t> got_;
};

TEST_F(RemoteUnitFetcherTest, PutsTheChunksOfUnitsTogether) {
  fleet_.scripts = {ScriptedFleet::SendAll};
  const absl::Status fetched = FetchFour();
  EXPECT_TRUE(fetched.ok()) << fetched;
  EXPECT_THAT(got_, ElementsAre(0, 1, 2, 3));
}

TEST_F(RemoteUnitFetcherTest, AfterACutOnlyTheRestIsAskedFor) {
  fleet_.scripts = {[](const auto&, auto&, Writer& writer) {
                      ScriptedFleet::Send(0, writer);
                      ScriptedFleet::Send(1, writer);
                      ScriptedFleet::Send(2, writer, /*cut=*/true);
                      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
                    },
                    ScriptedFleet::SendAll};
  const absl::Status fetched = FetchFour();
  EXPECT_TRUE(fetched.ok()) << fetched;
  EXPECT_THAT(got_, ElementsAre(0, 1, 2, 3));
  ASSERT_EQ(fleet_.requests.size(), 2u);
  EXPECT_THAT(fleet_.requests[1], ElementsAre(2, 3));
}

TEST_F(RemoteUnitFetcherTest, AStreamThatEndsEarlyIsGoneOnWith) {
  fleet_.scripts = {[](const auto&, auto&, Writer& writer) {
                      ScriptedFleet::Send(0, writer);
                      return grpc::Status::OK;
                    },
                    ScriptedFleet::SendAll};
  const absl::Status fetched = FetchFour();
  EXPECT_TRUE(fetched.ok()) << fetched;
  EXPECT_THAT(got_, ElementsAre(0, 1, 2, 3));
}

TEST_F(RemoteUnitFetcherTest, GivesUpAfterTriesWithoutAUnit) {
  fleet_.scripts = {[](const auto&, auto&, Writer&) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
  }};
  const absl::Status fetched = FetchFour();
  EXPECT_EQ(fetched.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(fetched.message(), ::testing::HasSubstr("0 of 4"));
  EXPECT_EQ(fleet_.requests.size(), 3u);
}

TEST_F(RemoteUnitFetcherTest, ARefusalIsNotTriedAgain) {
  fleet_.scripts = {[](const auto&, auto&, Writer&) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "old plan");
  }};
  EXPECT_EQ(FetchFour(), absl::FailedPreconditionError("old plan"));
  EXPECT_EQ(fleet_.requests.size(), 1u);
}

TEST_F(RemoteUnitFetcherTest, DamagedBytesAreFetchedAgain) {
  fleet_.scripts = {[](const auto&, auto&, Writer& writer) {
                      ScriptedFleet::Send(0, writer);
                      ScriptedFleet::Send(1, writer, /*cut=*/false,
                                          /*damage=*/true);
                      return grpc::Status::OK;
                    },
                    ScriptedFleet::SendAll};
  const absl::Status fetched = FetchFour();
  EXPECT_TRUE(fetched.ok()) << fetched;
  EXPECT_THAT(got_, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(fleet_.requests[1], ElementsAre(1, 2, 3));
}

TEST_F(RemoteUnitFetcherTest, AlwaysDamagedBytesAreDataLoss) {
  fleet_.scripts = {[](const auto&, auto&, Writer& writer) {
    ScriptedFleet::Send(0, writer, /*cut=*/false, /*damage=*/true);
    return grpc::Status::OK;
  }};
  EXPECT_EQ(FetchFour().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(got_.empty());
}

TEST_F(RemoteUnitFetcherTest, ChunksThatDoNotJoinAreNotTaken) {
  fleet_.scripts = {[](const auto&, auto&, Writer& writer) {
    proto::UnitChunk chunk;
    chunk.set_unit_bytes(10);
    chunk.set_offset(5);
    chunk.set_data("12345");
    chunk.set_last(true);
    writer.Write(chunk);
    return grpc::Status::OK;
  }};
  EXPECT_EQ(FetchFour().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RemoteUnitFetcherTest, AUnitTooLargeIsRefusedBeforeItIsHeld) {
  fleet_.scripts = {[](const auto&, auto&, Writer& writer) {
    proto::UnitChunk chunk;
    chunk.set_unit_bytes(uint64_t{1} << 50);
    writer.Write(chunk);
    return grpc::Status::OK;
  }};
  EXPECT_EQ(FetchFour().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RemoteUnitFetcherTest, AConfirmationCountsOnlyForTheDigestThatIsHeld) {
  const base::Digest held{1, 2};
  fleet_.scripts = {
      [](const proto::FetchUnitsRequest& request, auto&, Writer& writer) {
        EXPECT_EQ(request.items(0).have_high(), 1u);
        EXPECT_EQ(request.items(0).have_low(), 2u);
        proto::UnitChunk chunk;
        chunk.set_digest_high(1);
        chunk.set_digest_low(2);
        chunk.set_unchanged(true);
        chunk.set_last(true);
        writer.Write(chunk);
        return grpc::Status::OK;
      }};
  const auto sink = [](const Unit& unit) {
    EXPECT_TRUE(unit.unchanged);
    return absl::OkStatus();
  };
  const Item item{0, held};
  EXPECT_TRUE(fetcher_->Fetch({&item, 1}, sink).ok());
  const Item other{0, std::nullopt};
  fleet_.scripts = {[](const auto&, auto&, Writer& writer) {
    proto::UnitChunk chunk;
    chunk.set_unchanged(true);
    chunk.set_last(true);
    writer.Write(chunk);
    return grpc::Status::OK;
  }};
  EXPECT_EQ(fetcher_->Fetch({&other, 1}, sink).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(RemoteUnitFetcherTest, AFailedSinkEndsTheFetchAndIsNotTriedAgain) {
  fleet_.scripts = {ScriptedFleet::SendAll};
  const std::vector<Item> items = {{0, std::nullopt}, {1, std::nullopt}};
  const absl::Status fetched = fetcher_->Fetch(items, [](const Unit&) {
    return absl::ResourceExhaustedError("disk full");
  });
  EXPECT_EQ(fetched, absl::ResourceExhaustedError("disk full"));
  EXPECT_EQ(fleet_.requests.size(), 1u);
}

TEST_F(RemoteUnitFetcherTest, StopEndsAFetchThatHangs) {
  fleet_.scripts = {
      [this](const auto&, grpc::ServerContext& context, Writer& writer) {
        ScriptedFleet::Send(0, writer);
        fetcher_->Stop();
        while (!context.IsCancelled()) std::this_thread::yield();
        return grpc::Status::CANCELLED;
      }};
  EXPECT_EQ(FetchFour().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(FetchFour().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace shoal::worker
