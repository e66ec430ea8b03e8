#include "memory/block_file.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/file_system.h"
#include "memory/slab.h"
#include "memory/uring_file.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::memory {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string WriteFile(const testing::TemporaryFolder& folder, size_t bytes) {
  std::string content(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>(i * 31 / 7);
  const std::string path = folder.File("units");
  std::ofstream(path, std::ios::binary) << content;
  return content;
}

absl::string_view View(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Every engine of this system. The test of what cannot be had here is skipped.
class EngineTest : public ::testing::TestWithParam<IoEngine> {
 protected:
  void Open(size_t bytes) {
    content_ = WriteFile(folder_, bytes);
    auto file = FileSystem::Real(GetParam()).OpenForReading(path());
    if (absl::IsUnimplemented(file.status())) GTEST_SKIP() << file.status();
    ASSERT_TRUE(file.ok()) << file.status();
    file_ = *std::move(file);
  }

  std::string path() const { return folder_.File("units"); }

  const testing::TemporaryFolder folder_;
  std::string content_;
  std::unique_ptr<BlockFile> file_;
};

TEST_P(EngineTest, ReadsTheBytesOfARealFileWhateverTheSize) {
  Open(13 * base::kMiB);
  if (file_ == nullptr) return;
  EXPECT_EQ(kStoreAlignment % file_->alignment(), 0u);
  auto slab = Slab::Create(12 * base::kMiB);
  ASSERT_TRUE(slab.ok()) << slab.status();
  for (const uint64_t bytes :
       {kStoreAlignment, 5 * kStoreAlignment, kUringPartBytes,
        kUringPartBytes + kStoreAlignment, 3 * kUringPartBytes,
        // More parts than are in flight at once.
        uint64_t{12} * base::kMiB - kStoreAlignment}) {
    for (const uint64_t offset : {uint64_t{0}, 11 * kStoreAlignment}) {
      const auto to = slab->span().first(bytes);
      std::fill(to.begin(), to.end(), std::byte{0xee});
      ASSERT_EQ(file_->ReadAt(offset, to), absl::OkStatus());
      EXPECT_TRUE(View(to) == absl::string_view(content_).substr(offset, bytes))
          << bytes << " at " << offset;
    }
  }
}

TEST_P(EngineTest, ManyThreadsReadAtOnceIntoRegisteredMemory) {
  Open(4 * base::kMiB);
  if (file_ == nullptr) return;
  constexpr size_t kThreads = kUringCallersMax + 3;
  constexpr uint64_t kBytes = 3 * kUringPartBytes / 2;
  auto slab = Slab::Create(kThreads * kBytes);
  ASSERT_TRUE(slab.ok()) << slab.status();
  // The last two threads read to memory that is not registered.
  const auto registered = slab->span().first((kThreads - 2) * kBytes);
  file_->Register(registered);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto to = slab->span().subspan(t * kBytes, kBytes);
      for (uint64_t i = 0; i < 20; ++i) {
        const uint64_t offset = (i * 37 + t * 11) % 600 * kStoreAlignment;
        ASSERT_EQ(file_->ReadAt(offset, to), absl::OkStatus());
        ASSERT_TRUE(View(to) ==
                    absl::string_view(content_).substr(offset, kBytes));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  file_->Unregister(registered);
  const auto to = slab->span().first(kBytes);
  ASSERT_EQ(file_->ReadAt(0, to), absl::OkStatus());
  EXPECT_TRUE(View(to) == absl::string_view(content_).substr(0, kBytes));
}

TEST_P(EngineTest, AReadBeyondTheEndIsOutOfRangeAndNamesTheFile) {
  Open(10000);  // ends within a block
  if (file_ == nullptr) return;
  auto slab = Slab::Create(8192);
  ASSERT_TRUE(slab.ok()) << slab.status();
  const absl::Status status = file_->ReadAt(4096, slab->span());
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("10000"));
}

TEST_P(EngineTest, AFileCutWhileItIsOpenIsOutOfRange) {
  Open(2 * kUringPartBytes);
  if (file_ == nullptr) return;
  std::filesystem::resize_file(path(), kUringPartBytes + 100);
  auto slab = Slab::Create(2 * kUringPartBytes);
  ASSERT_TRUE(slab.ok()) << slab.status();
  EXPECT_EQ(file_->ReadAt(0, slab->span()).code(),
            absl::StatusCode::kOutOfRange);
  // What is left of it is still read.
  EXPECT_EQ(file_->ReadAt(0, slab->span().first(kUringPartBytes)),
            absl::OkStatus());
}

TEST_P(EngineTest, AFileRemovedWhileItIsOpenIsReadOn) {
  Open(64 * base::kKiB);
  if (file_ == nullptr) return;
  std::filesystem::remove(path());
  auto slab = Slab::Create(64 * base::kKiB);
  ASSERT_TRUE(slab.ok()) << slab.status();
  ASSERT_EQ(file_->ReadAt(0, slab->span()), absl::OkStatus());
  EXPECT_TRUE(View(slab->span()) == content_);
}

TEST_P(EngineTest, WhatIsWrittenLaterIsSeen) {
  Open(64 * base::kKiB);
  if (file_ == nullptr) return;
  auto slab = Slab::Create(8192);
  ASSERT_TRUE(slab.ok()) << slab.status();
  ASSERT_EQ(file_->ReadAt(0, slab->span()), absl::OkStatus());
  auto writer = FileSystem::Real().OpenForWriting(path());
  ASSERT_TRUE(writer.ok()) << writer.status();
  const std::string news = "news";
  ASSERT_EQ((*writer)->WriteAt(4096, std::as_bytes(std::span(news))),
            absl::OkStatus());
  ASSERT_EQ(file_->ReadAt(0, slab->span()), absl::OkStatus());
  EXPECT_EQ(View(slab->span()).substr(4096, 4), news);
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineTest,
                         ::testing::Values(IoEngine::kAuto, IoEngine::kUring,
                                           IoEngine::kPread, IoEngine::kMmap));

// The descriptor by which this process has `path` open.
int DescriptorOf(const std::string& path) {
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) == path) {
      return std::stoi(entry.path().filename().string());
    }
  }
  return -1;
}

TEST_P(EngineTest, ADiskThatFailsIsUnavailableAndNamesTheFileAndThePlace) {
  if (GetParam() == IoEngine::kMmap) GTEST_SKIP() << "needs no descriptor";
  Open(4 * base::kMiB);
  if (file_ == nullptr) return;
  // A descriptor that refuses every read.
  const int refusing = open(folder_.path().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_GE(refusing, 0);
  const int descriptor = DescriptorOf(path());
  ASSERT_GE(dup2(refusing, descriptor), 0);
  close(refusing);
  auto slab = Slab::Create(4 * base::kMiB);
  ASSERT_TRUE(slab.ok()) << slab.status();
  const absl::Status status = file_->ReadAt(0, slab->span());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(path()), HasSubstr("at 0 of")));
}

// Makes the system refuse io_uring, as many containers and phones do.
void RefuseUring() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program = {.len = std::size(code), .filter = code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::cerr << "cannot be refused here";
    std::_Exit(2);
  }
}

TEST(BlockFileDeathTest, WhereIoUringIsRefusedFilesAreReadWithPread) {
  const testing::TemporaryFolder folder;
  WriteFile(folder, 8192);
  const std::string path = folder.File("units");
  const auto report = [&] {
    RefuseUring();
    const auto file = FileSystem::Real().OpenForReading(path);
    const auto forced = FileSystem::Real(IoEngine::kUring).OpenForReading(path);
    std::cerr << (file.ok() ? (*file)->engine() : "none") << ", "
              << forced.status();
    std::_Exit(0);
  };
  EXPECT_EXIT(report(), ::testing::ExitedWithCode(0),
              "(direct|buffered), UNIMPLEMENTED: .*io_uring");
}

TEST(BlockFileTest, AnEngineCanBeForced) {
  const testing::TemporaryFolder folder;
  WriteFile(folder, 8192);
  const auto engine = [&](IoEngine wanted) -> std::string {
    auto file = FileSystem::Real(wanted).OpenForReading(folder.File("units"));
    return file.ok() ? std::string((*file)->engine())
                     : std::string(file.status().message());
  };
  EXPECT_THAT(engine(IoEngine::kUring), HasSubstr("io_uring"));
  EXPECT_THAT(engine(IoEngine::kPread), AnyOf("direct", "buffered"));
  EXPECT_EQ(engine(IoEngine::kMmap), "mmap");
}

TEST(BlockFileTest, RegisteredMemoryIsNamed) {
  const testing::TemporaryFolder folder;
  WriteFile(folder, 8192);
  auto file =
      FileSystem::Real(IoEngine::kUring).OpenForReading(folder.File("units"));
  if (!file.ok()) GTEST_SKIP() << file.status();
  if ((*file)->engine() != "io_uring") GTEST_SKIP() << (*file)->engine();
  auto slab = Slab::Create(8192);
  ASSERT_TRUE(slab.ok()) << slab.status();
  (*file)->Register(slab->span());
  EXPECT_EQ((*file)->engine(), "io_uring, registered buffers");
  (*file)->Unregister(slab->span());
  EXPECT_EQ((*file)->engine(), "io_uring");
}

TEST_P(EngineTest, AMissingFileIsNotFound) {
  EXPECT_EQ(FileSystem::Real(GetParam())
                .OpenForReading("/no/such/file")
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST(BlockFileDeathTest, AnUnalignedDirectReadIsABug) {
  const testing::TemporaryFolder folder;
  WriteFile(folder, 16384);
  auto file = FileSystem::Real().OpenForReading(folder.File("units"));
  ASSERT_TRUE(file.ok()) << file.status();
  if ((*file)->alignment() == 1) {
    GTEST_SKIP() << "no direct I/O in " << folder.path();
  }
  auto slab = Slab::Create(8192);
  ASSERT_TRUE(slab.ok()) << slab.status();
  const auto to = slab->span();
  EXPECT_DEATH((*file)->ReadAt(512, to.first(4096)).IgnoreError(), "offset");
  EXPECT_DEATH((*file)->ReadAt(0, to.first(100)).IgnoreError(), "size 100");
  EXPECT_DEATH((*file)->ReadAt(0, to.subspan(8, 4096)).IgnoreError(), "size");
}

TEST(ReadFullyTest, GoesOnAtABlockAfterAShortRead) {
  std::string content(20000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i);
  for (const uint64_t step : {4096, 5000, 8191, 20000}) {
    std::vector<std::byte> to(16384);
    std::vector<uint64_t> offsets;
    ASSERT_EQ(
        ReadFully("f", 4096, 0, to,
                  [&](uint64_t at,
                      std::span<std::byte> part) -> absl::StatusOr<uint64_t> {
                    offsets.push_back(at);
                    const uint64_t count =
                        std::min<uint64_t>(step, part.size());
                    std::memcpy(part.data(), content.data() + at, count);
                    return count;
                  }),
        absl::OkStatus());
    EXPECT_EQ(View(to), absl::string_view(content).substr(0, 16384));
    for (const uint64_t offset : offsets) EXPECT_EQ(offset % 4096, 0u) << step;
  }
}

// All engines: none leaves what it read in memory that others could use.
TEST_P(EngineTest, WhatWasReadDoesNotStayInThePageCache) {
  Open(4 * base::kMiB);
  if (file_ == nullptr) return;
  struct statfs system = {};
  ASSERT_EQ(statfs(path().c_str(), &system), 0);
  if (system.f_type == TMPFS_MAGIC) GTEST_SKIP() << "a file in memory";
  const int fd = open(path().c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(fdatasync(fd), 0);
  ASSERT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  auto slab = Slab::Create(2 * base::kMiB);
  ASSERT_TRUE(slab.ok()) << slab.status();
  ASSERT_EQ(file_->ReadAt(base::kMiB, slab->span()), absl::OkStatus());
  EXPECT_EQ(View(slab->span()),
            absl::string_view(content_).substr(base::kMiB, 2 * base::kMiB));
  void* const mapping =
      mmap(nullptr, content_.size(), PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(mapping, MAP_FAILED);
  std::vector<unsigned char> pages(content_.size() / kStoreAlignment);
  ASSERT_EQ(mincore(mapping, content_.size(), pages.data()), 0);
  const auto stayed = std::count_if(
      pages.begin(), pages.end(), [](unsigned char page) { return page & 1; });
  EXPECT_EQ(stayed, 0);
  munmap(mapping, content_.size());
  close(fd);
}

TEST(ReadFullyTest, ReadsThatBringNothingNewEndTheLoop) {
  std::vector<std::byte> to(8192);
  const absl::Status status =
      ReadFully("f", 4096, 0, to,
                [](uint64_t, std::span<std::byte>) -> absl::StatusOr<uint64_t> {
                  return 1000;
                });
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
}

TEST(ReadFullyTest, PassesAnErrorOn) {
  std::vector<std::byte> to(8192);
  EXPECT_EQ(
      ReadFully("f", 4096, 0, to,
                [](uint64_t, std::span<std::byte>) -> absl::StatusOr<uint64_t> {
                  return absl::UnavailableError("EIO");
                }),
      absl::UnavailableError("EIO"));
}

}  // namespace
}  // namespace shoal::memory
