#include "coordinator/unit_server.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "coordinator/placement.h"
#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

using Item = parallel::UnitFetcher::Item;
using Unit = parallel::UnitFetcher::Unit;

class UnitServerTest : public ::testing::Test {
 protected:
  UnitServerTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    directory_ = ::testing::TempDir() + "unit_server_" + test->name();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    path_ = directory_ + "/model.gguf";
    std::filesystem::copy_file(std::string(std::getenv("SHOAL_SOURCE_DIR")) +
                                   "/models/shoal-stories-3m-q8_0.gguf",
                               path_);
  }

  // As a new process would.
  void Start() {
    auto model = ModelFile::Read(path_);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    auto server = UnitServer::Open(path_, model_->description.id, model_->table,
                                   directory_ + "/digests");
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // All units, with what is held already.
  std::vector<Unit> FetchAll(const std::vector<base::Digest>& have) {
    std::vector<Item> items;
    for (uint32_t i = 0; i < model_->units.size(); ++i) {
      items.push_back({i, std::nullopt});
      if (i < have.size()) items.back().have = have[i];
    }
    std::vector<Unit> units;
    const absl::Status fetched =
        server_->Fetch(items, [&](const Unit& unit) -> absl::Status {
          if (!unit.unchanged) {
            EXPECT_EQ(base::DigestOf(unit.canonical), unit.digest);
          }
          units.push_back(unit);
          units.back().canonical = {};
          return absl::OkStatus();
        });
    EXPECT_TRUE(fetched.ok()) << fetched;
    return units;
  }

  static std::vector<base::Digest> DigestsOf(const std::vector<Unit>& units) {
    std::vector<base::Digest> digests;
    for (const Unit& unit : units) digests.push_back(unit.digest);
    return digests;
  }

  std::string directory_, path_;
  std::unique_ptr<ModelFile> model_;
  std::unique_ptr<UnitServer> server_;
};

TEST_F(UnitServerTest, SendsEveryUnitInOrderWithItsDigest) {
  Start();
  const auto units = FetchAll({});
  ASSERT_EQ(units.size(), model_->units.size());
  for (uint32_t i = 0; i < units.size(); ++i) {
    EXPECT_EQ(units[i].unit_index, i);
    EXPECT_FALSE(units[i].unchanged);
  }
  EXPECT_EQ(server_->bytes_served(), model_->table.total_bytes());
}

TEST_F(UnitServerTest, ConfirmsWhatIsHeldWithoutReadingTheModelAgain) {
  Start();
  const auto have = DigestsOf(FetchAll({}));
  server_->SaveDigests();
  Start();
  for (const Unit& unit : FetchAll(have)) EXPECT_TRUE(unit.unchanged);
  EXPECT_EQ(server_->bytes_served(), 0u);
  EXPECT_EQ(server_->bytes_read(), 0u);
}

TEST_F(UnitServerTest, ConfirmsByReadingWhereNoDigestIsKept) {
  Start();
  const auto have = DigestsOf(FetchAll({}));
  Start();  // the digests were not saved
  for (const Unit& unit : FetchAll(have)) EXPECT_TRUE(unit.unchanged);
  EXPECT_EQ(server_->bytes_served(), 0u);
  EXPECT_EQ(server_->bytes_read(), model_->table.total_bytes());
}

TEST_F(UnitServerTest, AChangedTensorSendsItsUnitsAgainAndNoOthers) {
  Start();
  const auto have = DigestsOf(FetchAll({}));
  server_->SaveDigests();
  const uint32_t changed = static_cast<uint32_t>(model_->units.size()) / 2;
  const auto at = model_->table.unit(changed).parts[0].file_offset;
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1));
  }
  std::filesystem::last_write_time(
      path_,
      std::filesystem::file_time_type::clock::now() + std::chrono::seconds(10));
  Start();
  for (const Unit& unit : FetchAll(have)) {
    EXPECT_EQ(unit.unchanged, unit.unit_index != changed) << unit.unit_index;
  }
}

TEST_F(UnitServerTest, RefusesAUnitThatTheModelDoesNotHave) {
  Start();
  const Item item{static_cast<uint32_t>(model_->units.size()), std::nullopt};
  EXPECT_EQ(
      server_->Fetch({&item, 1}, [](const Unit&) { return absl::OkStatus(); })
          .code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(UnitServerTest, AFailedSinkEndsTheFetch) {
  Start();
  const std::vector<Item> items = {{0, std::nullopt}, {1, std::nullopt}};
  int calls = 0;
  const absl::Status fetched = server_->Fetch(items, [&](const Unit&) {
    ++calls;
    return absl::ResourceExhaustedError("disk full");
  });
  EXPECT_EQ(fetched, absl::ResourceExhaustedError("disk full"));
  EXPECT_EQ(calls, 1);
}

TEST_F(UnitServerTest, TheModelsIdHangsOnTheHeaderAndTheSize) {
  Start();
  const std::string id = model_->description.id;
  EXPECT_EQ(id.size(), 32u);
  std::ofstream(path_, std::ios::app) << "x";
  Start();
  EXPECT_NE(model_->description.id, id);
}

}  // namespace
}  // namespace shoal::coordinator
