#include "transport/shared_area.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace shoal::transport {
namespace {

using ::testing::HasSubstr;

constexpr size_t kBytes = 4096;

class SharedAreaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto area = SharedArea::Create(kBytes);
    ASSERT_TRUE(area.ok()) << area.status();
    area_.emplace(*std::move(area));
  }
  absl::StatusOr<AttachedArea> Attach() {
    return AttachedArea::Attach(area_->path(), area_->nonce(), area_->size());
  }

  std::optional<SharedArea> area_;
};

TEST_F(SharedAreaTest, WhatOneEndWritesTheOtherReads) {
  EXPECT_FALSE(area_->attached());
  const auto reader = Attach();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE(area_->attached());
  const SharedArea::Place place = area_->Take(100);
  ASSERT_EQ(place.bytes.size(), 100u);
  std::fill(place.bytes.begin(), place.bytes.end(), std::byte{7});
  const auto read = reader->At(place.offset, 100);
  ASSERT_EQ(read.size(), 100u);
  EXPECT_NE(read.data(), place.bytes.data());
  EXPECT_TRUE(std::equal(read.begin(), read.end(), place.bytes.begin()));
}

TEST_F(SharedAreaTest, AnotherProcessReadsIt) {
  const SharedArea::Place place = area_->Take(64);
  place.bytes[5] = std::byte{42};
  const std::string path = area_->path();
  const AreaNonce nonce = area_->nonce();
  const size_t size = area_->size();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // By a descriptor that is not its own.
    const auto reader = AttachedArea::Attach(path, nonce, size);
    _exit(reader.ok() && reader->At(place.offset, 64)[5] == std::byte{42} ? 0
                                                                          : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(area_->attached());
}

TEST_F(SharedAreaTest, RoomComesBackInOrderAndIsNeverGivenTwice) {
  auto reader = Attach();
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::deque<SharedArea::Place> waiting;
  const auto overlaps = [&](const SharedArea::Place& place) {
    return std::any_of(
        waiting.begin(), waiting.end(), [&](const SharedArea::Place& other) {
          return place.offset < other.offset + other.bytes.size() &&
                 other.offset < place.offset + place.bytes.size();
        });
  };
  uint32_t taken = 0;
  uint32_t refused = 0;
  uint32_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 1664525 + 1013904223;
    if ((random >> 30) == 0) {
      if (waiting.empty()) continue;
      reader->Release();
      waiting.pop_front();
      continue;
    }
    const size_t bytes = 1 + (random >> 8) % 1500;
    SharedArea::Place place = area_->Take(bytes);
    if (place.bytes.empty()) {
      ++refused;
      EXPECT_FALSE(waiting.empty());
      continue;
    }
    ++taken;
    ASSERT_EQ(place.bytes.size(), bytes);
    ASSERT_LE(place.offset + bytes, kBytes);
    ASSERT_FALSE(overlaps(place)) << i;
    waiting.push_back(place);
  }
  EXPECT_GT(taken, 1000u);
  EXPECT_GT(refused, 1000u);
}

TEST_F(SharedAreaTest, WhatIsGivenBackCanBeTakenAgain) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(area_->Take(kBytes).bytes.size(), kBytes) << i;
    EXPECT_TRUE(area_->Take(1).bytes.empty());
    area_->GiveBack();
  }
  EXPECT_TRUE(area_->Take(kBytes + 1).bytes.empty());
}

TEST_F(SharedAreaTest, AnEmptyAreaIsUsedFromItsBeginning) {
  auto reader = Attach();
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(area_->Take(1000).offset, 0u);
    reader->Release();
  }
}

TEST_F(SharedAreaTest, AReaderThatReleasesWhatItNeverGotEndsTheUse) {
  auto reader = Attach();
  ASSERT_TRUE(reader.ok()) << reader.status();
  reader->Release();
  EXPECT_TRUE(area_->Take(10).bytes.empty());
}

TEST_F(SharedAreaTest, PlacesOutsideAreNone) {
  const auto reader = Attach();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->At(0, kBytes).size(), kBytes);
  EXPECT_EQ(reader->At(kBytes - 64, 64).size(), 64u);
  for (const auto& [offset, bytes] :
       {std::pair<uint64_t, uint64_t>{0, kBytes + 1},
        {64, kBytes},
        {kBytes + 64, 0},
        {1, 8},
        {UINT64_MAX - 63, 64},
        {64, UINT64_MAX}}) {
    EXPECT_TRUE(reader->At(offset, bytes).empty()) << offset << " " << bytes;
  }
}

TEST_F(SharedAreaTest, OnlyTheAreaThatIsMeantIsAttached) {
  AreaNonce other = area_->nonce();
  other[3] ^= std::byte{1};
  const std::string path = area_->path();
  const size_t size = area_->size();
  const std::string own = absl::StrCat("/proc/", getpid(), "/fd/");
  const int device = open("/dev/zero", O_RDWR | O_CLOEXEC);
  for (const auto& status :
       {AttachedArea::Attach(path, other, size).status(),
        AttachedArea::Attach(path, area_->nonce(), size + 64).status(),
        AttachedArea::Attach(absl::StrCat(own, device), other, size).status(),
        AttachedArea::Attach(absl::StrCat(own, 999999), other, size)
            .status()}) {
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("shared memory"));
  }
  close(device);
  EXPECT_FALSE(area_->attached());
  // Its maker could cut it short while this end reads.
  const int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(ftruncate(loose, AreaMapping::kControlBytes + kBytes), 0);
  EXPECT_TRUE(absl::IsUnavailable(
      AttachedArea::Attach(absl::StrCat(own, loose), AreaNonce{}, kBytes)
          .status()));
  close(loose);
}

TEST_F(SharedAreaTest, NothingButADescriptorIsOpened) {
  for (const std::string path :
       {"", "/dev/zero", "/proc/self/exe", "/proc/self/fd/3", "/proc//fd/3",
        "/proc/1/fd/", "/proc/1/fd/3/", "/proc/1/fd/../exe", "proc/1/fd/3"}) {
    const auto status =
        AttachedArea::Attach(path, area_->nonce(), kBytes).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("no descriptor"));
  }
}

}  // namespace
}  // namespace shoal::transport
