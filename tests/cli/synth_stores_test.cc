#include "cli/synth_stores.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/store_root.h"
#include "coordinator/placement.h"
#include "coordinator/unit_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/kernel_table.h"
#include "memory/weight_store.h"
#include "model/gguf_external.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using coordinator::ModelFile;
using coordinator::UnitServer;
using ::testing::HasSubstr;
using Item = parallel::UnitFetcher::Item;
using Unit = parallel::UnitFetcher::Unit;

class SynthStoresTest : public ::testing::Test {
 protected:
  SynthStoresOptions Options(const std::string& shape) const {
    SynthStoresOptions options;
    options.model.shape = shape;
    options.model.path = folder_.File("small.gguf");
    options.root = folder_.File("stores");
    options.device_names = {"a", "b", "c"};
    return options;
  }

  static absl::Status Make(const SynthStoresOptions& options) {
    return SynthesizeStores(options, [](uint64_t, uint64_t) {});
  }

  std::unique_ptr<UnitServer> Serve(const ModelFile& file) const {
    auto server = UnitServer::Open(file.path, file.description.id, file.table,
                                   "", file.external);
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }

  static absl::StatusOr<Unit> FetchOne(UnitServer& server, Item item) {
    Unit result;
    const absl::Status fetched =
        server.Fetch(std::vector<Item>{item}, [&](const Unit& unit) {
          result = unit;
          return absl::OkStatus();
        });
    if (!fetched.ok()) return fetched;
    return result;
  }

  const shoal::testing::TemporaryFolder folder_;
};

TEST_F(SynthStoresTest, TheUnitsAreThoseOfTheWholeFile) {
  for (const std::string shape : {"tiny", "tiny-mqa", "tiny-moe"}) {
    const SynthStoresOptions options = Options(shape);
    const absl::Status made = Make(options);
    ASSERT_TRUE(made.ok()) << made;
    const auto small = ModelFile::Read(options.model.path);
    ASSERT_TRUE(small.ok()) << small.status();
    ASSERT_TRUE((*small)->external.has_value());

    model::SynthOptions whole_options = options.model;
    whole_options.path = folder_.File("whole.gguf");
    ASSERT_TRUE(
        model::Synthesize(whole_options, [](uint64_t, uint64_t) {}).ok());
    const auto whole = ModelFile::Read(whole_options.path);
    ASSERT_TRUE(whole.ok()) << whole.status();
    EXPECT_FALSE((*whole)->external.has_value());
    const auto server = Serve(**whole);
    ASSERT_EQ((*whole)->units.size(), (*small)->units.size());
    uint32_t external_count = 0;
    for (uint32_t i = 0; i < (*whole)->units.size(); ++i) {
      const auto unit = FetchOne(*server, {i, std::nullopt});
      ASSERT_TRUE(unit.ok()) << unit.status();
      EXPECT_EQ(unit->digest, (*small)->external->digests[i]) << shape << i;
      external_count +=
          model::IsExternal(*(*small)->external, (*small)->table.unit(i));
    }
    EXPECT_GT(external_count, (*small)->units.size() / 2);
  }
}

TEST_F(SynthStoresTest, EachStoreHasItsShareInTheHostsLayout) {
  SynthStoresOptions options = Options("tiny");
  options.shares = {2, 1, 1};
  const absl::Status made = Make(options);
  ASSERT_TRUE(made.ok()) << made;
  const auto file = ModelFile::Read(options.model.path);
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<uint64_t> bytes;
  std::vector<uint32_t> holders((*file)->units.size());
  for (const std::string& name : options.device_names) {
    const auto store = memory::WeightStore::Open(
        {.directory = DeviceStore(options.root, name)},
        {.model_id = (*file)->description.id,
         .model_name = "tiny",
         .layout_id =
             static_cast<uint32_t>((*kernels::SelectKernels("auto"))->layout),
         .units = (*file)->units});
    ASSERT_TRUE(store.ok()) << store.status();
    bytes.push_back((*store)->stored_bytes());
    for (uint32_t i = 0; i < holders.size(); ++i) {
      const auto digest = (*store)->DigestOf(i);
      if (!digest) continue;
      ++holders[i];
      EXPECT_EQ(*digest, (*file)->external->digests[i]);
    }
  }
  for (uint32_t i = 0; i < holders.size(); ++i) {
    const bool hub = (*file)->units[i].id.kind == base::UnitKind::kHub;
    EXPECT_EQ(holders[i], hub ? 3u : 1u) << i;
  }
  EXPECT_GT(bytes[0], bytes[1] * 3 / 2);
}

TEST_F(SynthStoresTest, AnExternalUnitIsConfirmedByItsDigestOrNamedInAnError) {
  const SynthStoresOptions options = Options("tiny");
  ASSERT_TRUE(Make(options).ok());
  const auto file = ModelFile::Read(options.model.path);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto server = Serve(**file);
  for (uint32_t i = 0; i < (*file)->units.size(); ++i) {
    const base::Digest digest = (*file)->external->digests[i];
    const bool external =
        model::IsExternal(*(*file)->external, (*file)->table.unit(i));
    const uint64_t read_before = server->bytes_read();
    const auto held = FetchOne(*server, {i, digest});
    ASSERT_TRUE(held.ok()) << held.status();
    EXPECT_TRUE(held->unchanged);
    EXPECT_EQ(server->bytes_read() == read_before, external);

    for (const std::optional<base::Digest> other :
         {std::optional<base::Digest>(), std::optional(base::Digest{1, 2})}) {
      const auto fetched = FetchOne(*server, {i, other});
      EXPECT_EQ(fetched.ok(), !external);
      if (!external) continue;
      EXPECT_EQ(fetched.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(std::string(fetched.status().message()),
                  HasSubstr(base::ToString((*file)->units[i].id)));
    }
  }
}

TEST_F(SynthStoresTest, TwoDevicesOfOneNameAreRefused) {
  SynthStoresOptions options = Options("tiny");
  options.device_names = {"a", "b", "a"};
  const absl::Status made = Make(options);
  EXPECT_EQ(made.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(made.message()), HasSubstr("called a"));
}

TEST_F(SynthStoresTest, AnotherGridOrAShortListOfDigestsIsRefused) {
  const SynthStoresOptions options = Options("tiny");
  ASSERT_TRUE(Make(options).ok());
  const auto file = ModelFile::Read(options.model.path);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto check = [&](const model::GgufExternal& external) {
    return model::CheckExternal(external, (*file)->spec, (*file)->header,
                                (*file)->table);
  };
  model::GgufExternal external = *(*file)->external;
  EXPECT_TRUE(check(external).ok());
  external.digests.pop_back();
  EXPECT_EQ(check(external).code(), absl::StatusCode::kInvalidArgument);
  external = *(*file)->external;
  external.grid[0] ^= 1;
  EXPECT_EQ(check(external).code(), absl::StatusCode::kFailedPrecondition);
  external = *(*file)->external;
  external.inline_end = 0;
  EXPECT_THAT(std::string(check(external).message()),
              HasSubstr("token_embd.weight is marked external"));
}

}  // namespace
}  // namespace shoal::cli
