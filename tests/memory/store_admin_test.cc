#include "memory/store_admin.h"

#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "base/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/model_text.h"
#include "memory/weight_store.h"
#include "tests/testing/fake_files.h"
#include "tests/testing/simulated_clock.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::memory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kUnitBytes = 8192;

class StoreAdminTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeightStore> Open(const std::string& model_id) {
    StoreKey key = {.model_id = model_id, .model_name = "name of " + model_id};
    for (uint32_t i = 0; i < 4; ++i) {
      key.units.push_back({.id = {.layer = i}, .bytes = kUnitBytes});
    }
    auto store = WeightStore::Open(
        {.directory = folder_.path(), .clock = &clock_}, std::move(key));
    SHOAL_CHECK(store.ok(), store.status().message());
    return *std::move(store);
  }

  // Three of four units.
  void PutModel(const std::string& model_id) {
    const auto store = Open(model_id);
    for (uint32_t i = 0; i < 3; ++i) {
      const std::vector<std::byte> bytes(kUnitBytes,
                                         static_cast<std::byte>(i + 1));
      ASSERT_EQ(store->Write(i, base::DigestOf(bytes), bytes),
                absl::OkStatus());
    }
    ASSERT_EQ(store->Sync(), absl::OkStatus());
    clock_.SleepFor(absl::Hours(1));
  }

  const testing::TemporaryFolder folder_;
  testing::SimulatedClock clock_{1};
};

TEST_F(StoreAdminTest, ListsModelsTheMostRecentlyUsedFirst) {
  PutModel("a");
  const absl::Time second = clock_.Now();
  PutModel("b");
  const auto stores = ListStores(folder_.path());
  ASSERT_TRUE(stores.ok()) << stores.status();
  ASSERT_EQ(stores->size(), 2u);
  const StoreSummary& first = stores->front();
  EXPECT_EQ(first.model_id, "b");
  EXPECT_EQ(first.model_name, "name of b");
  EXPECT_EQ(first.model_bytes, 4 * kUnitBytes);
  EXPECT_EQ(first.unit_count, 3u);
  EXPECT_GE(first.disk_bytes, 3 * kUnitBytes);
  EXPECT_EQ(first.last_used, second);
}

TEST_F(StoreAdminTest, AMissingStoreIsEmptyAndADamagedModelTextIsListed) {
  EXPECT_THAT(*ListStores(folder_.File("none")), IsEmpty());
  PutModel("a");
  std::ofstream(folder_.File("a/model.txt")) << "bytes: many\n";
  const auto stores = ListStores(folder_.path());
  ASSERT_TRUE(stores.ok()) << stores.status();
  ASSERT_EQ(stores->size(), 1u);
  EXPECT_EQ(stores->front().model_name, "a");
  EXPECT_EQ(stores->front().last_used, absl::InfinitePast());
}

TEST_F(StoreAdminTest, VerifyFindsTheFlippedByteAndNothingElse) {
  PutModel("a");
  {
    std::fstream file(folder_.File("a/units.0.bin"));
    file.seekp(kUnitBytes + 5);
    file.put('x');
  }
  std::vector<uint64_t> done;
  const auto checks =
      VerifyStore(folder_.path(), "a", [&](uint64_t bytes, uint64_t total) {
        EXPECT_EQ(total, 3 * kUnitBytes);
        done.push_back(bytes);
      });
  ASSERT_TRUE(checks.ok()) << checks.status();
  EXPECT_THAT(done, ElementsAre(0, kUnitBytes, 2 * kUnitBytes, 3 * kUnitBytes));
  ASSERT_EQ(checks->size(), 3u);
  EXPECT_EQ((*checks)[0].status, absl::OkStatus());
  EXPECT_EQ((*checks)[1].unit_index, 1u);
  EXPECT_EQ((*checks)[1].offset, kUnitBytes);
  EXPECT_EQ((*checks)[1].status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string((*checks)[1].status.message()),
              HasSubstr("units.0.bin"));
  EXPECT_EQ((*checks)[2].status, absl::OkStatus());
}

TEST_F(StoreAdminTest, VerifyReportsAFailingDiskPerUnit) {
  PutModel("a");
  testing::FaultyFileSystem files;
  files.set_read_hook([](uint64_t offset, std::span<std::byte>) {
    return offset == 0 ? absl::UnavailableError("EIO") : absl::OkStatus();
  });
  const auto checks = VerifyStore(
      folder_.path(), "a", [](uint64_t, uint64_t) {}, files);
  ASSERT_TRUE(checks.ok()) << checks.status();
  EXPECT_EQ((*checks)[0].status, absl::UnavailableError("EIO"));
  EXPECT_EQ((*checks)[1].status, absl::OkStatus());
}

TEST_F(StoreAdminTest, UnknownModelsAndBadIdsAreErrors) {
  const auto ignore = [](uint64_t, uint64_t) {};
  EXPECT_EQ(VerifyStore(folder_.path(), "none", ignore).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(VerifyStore(folder_.path(), "../x", ignore).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RemoveModel(folder_.path(), "none").code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(RemoveModel(folder_.path(), "..").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::exists(folder_.path()));
}

TEST_F(StoreAdminTest, RemoveTakesTheModelAndNoOther) {
  PutModel("a");
  PutModel("b");
  ASSERT_EQ(RemoveModel(folder_.path(), "a"), absl::OkStatus());
  const auto stores = ListStores(folder_.path());
  ASSERT_TRUE(stores.ok()) << stores.status();
  ASSERT_EQ(stores->size(), 1u);
  EXPECT_EQ(stores->front().model_id, "b");
  EXPECT_FALSE(std::filesystem::exists(folder_.File("a")));
}

TEST_F(StoreAdminTest, AStoreInUseIsNotRemoved) {
  PutModel("a");
  const auto store = Open("b");
  EXPECT_EQ(RemoveModel(folder_.path(), "a").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(CollectGarbage(folder_.path(), 0).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(StoreAdminTest, GarbageIsCollectedDownToTheCap) {
  for (const char* id : {"a", "b", "c"}) PutModel(id);
  const uint64_t model_bytes = ListStores(folder_.path())->front().disk_bytes;
  auto result = CollectGarbage(folder_.path(), 3 * model_bytes);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->removed, IsEmpty());
  result = CollectGarbage(folder_.path(), 3 * model_bytes - 1);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->removed.size(), 1u);
  EXPECT_EQ(result->removed[0].model_id, "a");
  EXPECT_EQ(result->disk_bytes, 2 * model_bytes);
  result = CollectGarbage(folder_.path(), 0);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->removed.size(), 2u);
  EXPECT_THAT(*ListStores(folder_.path()), IsEmpty());
}

TEST_F(StoreAdminTest, ModelTextKeepsItsFieldsAndRefusesDamage) {
  const std::string path = folder_.File("model.txt");
  EXPECT_EQ(ReadModelText(path).status().code(), absl::StatusCode::kNotFound);
  const ModelText text = {.name = "two\nlines",
                          .bytes = 123,
                          .last_used = absl::FromUnixSeconds(1700000000)};
  ASSERT_EQ(WriteModelText(path, text), absl::OkStatus());
  const auto read = ReadModelText(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->name, "two lines");
  EXPECT_EQ(read->bytes, 123u);
  EXPECT_EQ(read->last_used, text.last_used);
  std::ofstream(path) << "name: x\nbytes: 5\n";
  EXPECT_EQ(ReadModelText(path).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace shoal::memory
