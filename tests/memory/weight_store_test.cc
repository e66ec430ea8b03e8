#include "memory/weight_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/byte_size.h"
#include "base/check.h"
#include "base/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/slab.h"
#include "memory/store_admin.h"
#include "tests/testing/fake_files.h"
#include "tests/testing/simulated_clock.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::memory {
namespace {

using base::kKiB;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kUnitBytes = 20000;       // 5 blocks on disk
constexpr uint64_t kPlaceBytes = 20 * kKiB;  // of one unit

StoreKey Key(const std::string& model_id, uint32_t unit_count,
             uint32_t layout_id = 1) {
  StoreKey key = {.model_id = model_id,
                  .model_name = model_id + " by name",
                  .layout_id = layout_id};
  for (uint32_t i = 0; i < unit_count; ++i) {
    key.units.push_back({.id = {.layer = i}, .bytes = kUnitBytes});
  }
  return key;
}

std::vector<std::byte> UnitBytes(uint32_t number) {
  std::vector<std::byte> bytes(kUnitBytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(number + i * i / 3);
  }
  return bytes;
}

class WeightStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<WeightStore>> Open(const StoreKey& key) {
    WeightStore::Options options = options_;
    options.directory = folder_.path();
    options.clock = &clock_;
    return WeightStore::Open(options, key);
  }

  std::unique_ptr<WeightStore> MustOpen(const StoreKey& key) {
    auto store = Open(key);
    SHOAL_CHECK(store.ok(), store.status().message());
    return *std::move(store);
  }

  absl::Status Put(WeightStore& store, uint32_t index) {
    const std::vector<std::byte> bytes = UnitBytes(index);
    return store.Write(index, base::DigestOf(bytes), bytes);
  }

  // Writes a whole model and closes its store, an hour before the next one.
  void PutModel(const std::string& model_id, uint32_t unit_count) {
    const auto store = MustOpen(Key(model_id, unit_count));
    for (uint32_t i = 0; i < unit_count; ++i) {
      ASSERT_EQ(Put(*store, i), absl::OkStatus());
    }
    ASSERT_EQ(store->Sync(), absl::OkStatus());
    clock_.SleepFor(absl::Hours(1));
  }

  std::vector<std::string> Models() {
    std::vector<std::string> ids;
    const auto stores = ListStores(folder_.path());
    SHOAL_CHECK(stores.ok());
    for (const StoreSummary& store : *stores) ids.push_back(store.model_id);
    return ids;
  }

  const testing::TemporaryFolder folder_;
  testing::SimulatedClock clock_{1};
  WeightStore::Options options_;
};

void ExpectUnit(BlockFile& file, const WeightStore& store, uint32_t index) {
  auto slab = Slab::Create(kPlaceBytes);
  ASSERT_TRUE(slab.ok()) << slab.status();
  ASSERT_EQ(file.ReadAt(store.OffsetOf(index), slab->span()), absl::OkStatus());
  const std::vector<std::byte> expected = UnitBytes(index);
  EXPECT_EQ(std::memcmp(slab->data(), expected.data(), expected.size()), 0);
}

TEST_F(WeightStoreTest, EveryUnitHasAFixedPlaceAndOnlyWrittenOnesTakeRoom) {
  const auto store = MustOpen(Key("m", 1000));
  EXPECT_EQ(store->OffsetOf(999), 999 * kPlaceBytes);
  EXPECT_EQ(store->BytesOf(999), kUnitBytes);
  ASSERT_EQ(Put(*store, 998), absl::OkStatus());
  ASSERT_EQ(Put(*store, 2), absl::OkStatus());
  ASSERT_EQ(store->Sync(), absl::OkStatus());
  EXPECT_EQ(store->stored_bytes(), 2 * kPlaceBytes);
  EXPECT_EQ(std::filesystem::file_size(store->units_path()),
            1000 * kPlaceBytes);
  EXPECT_LE(ListStores(folder_.path())->front().disk_bytes, 4 * kPlaceBytes);
  auto file = store->OpenUnits();
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectUnit(**file, *store, 998);
  ExpectUnit(**file, *store, 2);
}

TEST_F(WeightStoreTest, ACutFetchGoesOnWhereItWas) {
  {
    const auto store = MustOpen(Key("m", 6));
    for (const uint32_t i : {0, 1, 4}) {
      ASSERT_EQ(Put(*store, i), absl::OkStatus());
    }
    // No Sync(): the process just ends.
  }
  const auto store = MustOpen(Key("m", 6));
  std::vector<uint32_t> missing;
  for (uint32_t i = 0; i < store->unit_count(); ++i) {
    if (!store->DigestOf(i).has_value()) missing.push_back(i);
  }
  EXPECT_THAT(missing, ElementsAre(2, 3, 5));
  EXPECT_EQ(store->DigestOf(4), base::DigestOf(UnitBytes(4)));
  EXPECT_EQ(store->stored_bytes(), 3 * kPlaceBytes);
  for (const uint32_t i : missing) ASSERT_EQ(Put(*store, i), absl::OkStatus());
  auto file = store->OpenUnits();
  ASSERT_TRUE(file.ok()) << file.status();
  for (uint32_t i = 0; i < 6; ++i) ExpectUnit(**file, *store, i);
}

TEST_F(WeightStoreTest, AForgottenUnitIsAbsentUntilItIsWrittenAgain) {
  auto store = MustOpen(Key("m", 3));
  ASSERT_EQ(Put(*store, 1), absl::OkStatus());
  ASSERT_EQ(store->Forget(1), absl::OkStatus());
  ASSERT_EQ(store->Forget(2), absl::OkStatus());
  EXPECT_FALSE(store->DigestOf(1).has_value());
  EXPECT_EQ(store->stored_bytes(), 0u);
  store.reset();
  store = MustOpen(Key("m", 3));
  EXPECT_FALSE(store->DigestOf(1).has_value());
  ASSERT_EQ(Put(*store, 1), absl::OkStatus());
  EXPECT_TRUE(store->DigestOf(1).has_value());
}

TEST_F(WeightStoreTest, AReplacedUnitHasItsNewDigestAndBytes) {
  const auto store = MustOpen(Key("m", 3));
  const std::vector<std::byte> other(kUnitBytes, std::byte{7});
  ASSERT_EQ(store->Write(1, base::DigestOf(other), other), absl::OkStatus());
  ASSERT_EQ(Put(*store, 1), absl::OkStatus());
  EXPECT_EQ(store->DigestOf(1), base::DigestOf(UnitBytes(1)));
  EXPECT_EQ(store->stored_bytes(), kPlaceBytes);
  auto file = store->OpenUnits();
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectUnit(**file, *store, 1);
}

TEST_F(WeightStoreTest, AnotherGridOfUnitsKeepsNothing) {
  PutModel("m", 3);
  EXPECT_EQ(MustOpen(Key("m", 4))->stored_bytes(), 0u);
}

TEST_F(WeightStoreTest, AJournalWithoutItsUnitsFilePromisesNothing) {
  PutModel("m", 3);
  std::filesystem::remove(folder_.File("m/units.1.bin"));
  EXPECT_EQ(MustOpen(Key("m", 3))->stored_bytes(), 0u);
}

TEST_F(WeightStoreTest, AFullDiskIsAnErrorWithNumbersAndTheUnitIsAbsent) {
  testing::FaultyFileSystem files;
  options_.file_system = &files;
  const auto store = MustOpen(Key("m", 3));
  ASSERT_EQ(Put(*store, 0), absl::OkStatus());
  files.set_free_bytes(1000);
  const absl::Status status = Put(*store, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(folder_.path()), HasSubstr("20480"),
                    HasSubstr("1000 bytes are free")));
  EXPECT_FALSE(store->DigestOf(1).has_value());
  // Room for the unit, none for its record.
  files.set_free_bytes(kUnitBytes);
  EXPECT_EQ(Put(*store, 1).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(store->DigestOf(1).has_value());
  files.set_free_bytes(100000);
  EXPECT_EQ(Put(*store, 1), absl::OkStatus());
  EXPECT_EQ(store->stored_bytes(), 2 * kPlaceBytes);
}

TEST_F(WeightStoreTest, DiskCapEvictsTheLeastRecentlyUsedModelFirst) {
  PutModel("old", 10);
  PutModel("newer", 10);
  PutModel("old", 10);  // used again
  options_.disk_cap_bytes = 25 * kPlaceBytes;
  const auto store = MustOpen(Key("current", 20));
  for (uint32_t i = 0; i < 12; ++i) ASSERT_EQ(Put(*store, i), absl::OkStatus());
  EXPECT_THAT(Models(), ElementsAre("current", "old"));
  for (uint32_t i = 12; i < 20; ++i) {
    ASSERT_EQ(Put(*store, i), absl::OkStatus());
  }
  EXPECT_THAT(Models(), ElementsAre("current"));
}

TEST_F(WeightStoreTest, OneLargeUnitMayEvictSeveralModelsInOrder) {
  for (const char* id : {"a", "b", "c"}) PutModel(id, 10);
  options_.disk_cap_bytes = 35 * kPlaceBytes;
  StoreKey key = {.model_id = "large",
                  .model_name = "large",
                  .units = {{.id = {}, .bytes = 20 * kPlaceBytes}}};
  const auto store = MustOpen(key);
  const std::vector<std::byte> bytes(20 * kPlaceBytes, std::byte{1});
  ASSERT_EQ(store->Write(0, base::DigestOf(bytes), bytes), absl::OkStatus());
  EXPECT_THAT(Models(), ElementsAre("large", "c"));
}

TEST_F(WeightStoreTest, AModelBeyondDiskCapIsRefusedAndEvictsNothing) {
  PutModel("other", 2);
  options_.disk_cap_bytes = 5 * kPlaceBytes;
  const auto store = MustOpen(Key("current", 20));
  absl::Status status;
  uint32_t written = 0;
  while (status.ok() && written < 20) status = Put(*store, written++);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("disk_cap of 100 KiB"), HasSubstr("current"),
                    HasSubstr("20480 more")));
  // A unit that is not wanted any more makes room for another.
  ASSERT_EQ(store->Forget(0), absl::OkStatus());
  EXPECT_EQ(Put(*store, 19), absl::OkStatus());
}

TEST_F(WeightStoreTest, TwoStoresOfOneProcessShareALockAndSpareEachOther) {
  auto lock = StoreLock::Acquire(folder_.path());
  ASSERT_TRUE(lock.ok()) << lock.status();
  options_.lock = *lock;
  options_.disk_cap_bytes = 8 * kPlaceBytes;
  const auto first = MustOpen(Key("first", 6));
  for (uint32_t i = 0; i < 6; ++i) ASSERT_EQ(Put(*first, i), absl::OkStatus());
  EXPECT_EQ(Open(Key("first", 6)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const auto second = MustOpen(Key("second", 6));
  absl::Status status;
  for (uint32_t i = 0; i < 6 && status.ok(); ++i) status = Put(*second, i);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Models().size(), 2u);
}

TEST_F(WeightStoreTest, ADirectoryInUseNamesItselfAndTheProcess) {
  const auto store = MustOpen(Key("m", 1));
  // A store of this process holds the lock; as for any other process.
  const absl::Status status = Open(Key("other", 1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(folder_.path()),
                    HasSubstr(absl::StrCat("process ", getpid()))));
}

TEST_F(WeightStoreTest, ADirectoryIsFreeAgainWhenItsHolderIsGone) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = StoreLock::Acquire(folder_.path());
    const char answer = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_THAT(std::string(Open(Key("m", 1)).status().message()),
              HasSubstr(absl::StrCat("process ", child)));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(Open(Key("m", 1)).ok());
  close(ready[0]);
  close(ready[1]);
}

TEST_F(WeightStoreTest, BadModelIdsAndNoUnitsAreRefused) {
  for (const char* id : {"", ".", "..", "a/b", "a b", ".hidden"}) {
    EXPECT_EQ(Open(Key(id, 1)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << id;
  }
  EXPECT_EQ(Open(Key("m", 0)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Models(), IsEmpty());
}

TEST_F(WeightStoreTest, UnitsOfAnotherLayoutAreTakenOverOnceEach) {
  PutModel("m", 5);  // layout 1
  {
    // One byte of unit 3 is flipped on the disk.
    std::fstream file(folder_.File("m/units.1.bin"));
    file.seekp(3 * kPlaceBytes + 17);
    file.put('\x55');
  }
  const auto store = MustOpen(Key("m", 5, 2));
  EXPECT_THAT(store->OtherLayouts(), ElementsAre(1));
  ASSERT_EQ(Put(*store, 0), absl::OkStatus());
  std::vector<uint32_t> taken;
  const auto take = [&](uint32_t index, const base::Digest& digest,
                        std::span<const std::byte> packed) {
    if (index == 2 && taken.size() == 1) {
      taken.push_back(index);
      return absl::CancelledError("cut");
    }
    taken.push_back(index);
    EXPECT_EQ(digest, base::DigestOf(UnitBytes(index)));
    // What was taken is not offered again, even if it was not kept.
    if (index == 1) return absl::OkStatus();
    return store->Write(index, digest, packed);
  };
  EXPECT_EQ(store->TakeUnitsOf(1, take), absl::CancelledError("cut"));
  EXPECT_EQ(store->TakeUnitsOf(1, take), absl::OkStatus());
  EXPECT_THAT(taken, ElementsAre(1, 2, 2, 4)) << "0 is here, 3 is damaged";
  EXPECT_THAT(store->OtherLayouts(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(folder_.File("m/units.1.bin")));
  EXPECT_EQ(store->stored_bytes(), 3 * kPlaceBytes);
  auto file = store->OpenUnits();
  ASSERT_TRUE(file.ok()) << file.status();
  for (const uint32_t i : {0, 2, 4}) ExpectUnit(**file, *store, i);
}

}  // namespace
}  // namespace shoal::memory
