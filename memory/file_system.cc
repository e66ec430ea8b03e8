#include "memory/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "memory/mapped_file.h"
#include "memory/posix_read.h"
#include "memory/uring_file.h"

namespace shoal::memory {
namespace {

class PreadFile final : public BlockFile {
 public:
  PreadFile(int fd, std::string path, bool direct)
      : fd_(fd), path_(std::move(path)), direct_(direct) {}
  ~PreadFile() override { close(fd_); }

  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) override {
    CheckAligned(path_, alignment(), offset, to);
    return PreadFully(fd_, path_, alignment(), offset, to);
  }

  uint64_t alignment() const override { return direct_ ? kStoreAlignment : 1; }
  absl::string_view engine() const override {
    return direct_ ? "direct" : "buffered";
  }
  absl::string_view path() const override { return path_; }

 private:
  const int fd_;
  const std::string path_;
  const bool direct_;
};

// Some file systems take O_DIRECT in open() and refuse it in read().
bool DirectReadWorks(int fd) {
  void* const buffer = std::aligned_alloc(kStoreAlignment, kStoreAlignment);
  if (buffer == nullptr) return false;
  const bool works = pread(fd, buffer, kStoreAlignment, 0) >= 0;
  std::free(buffer);
  return works;
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(int fd, std::string path)
      : fd_(fd), path_(std::move(path)) {}
  ~PosixWritableFile() override { close(fd_); }

  absl::Status WriteAt(uint64_t offset,
                       std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t count =
          pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (count < 0) {
        if (errno == EINTR) continue;
        return DiskError(
            errno,
            absl::StrCat("write ", data.size(), " bytes at ", offset, " of"),
            path_);
      }
      offset += static_cast<uint64_t>(count);
      data = data.subspan(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  absl::Status Resize(uint64_t bytes) override {
    if (ftruncate(fd_, static_cast<off_t>(bytes)) == 0) {
      return absl::OkStatus();
    }
    return DiskError(errno, absl::StrCat("set to ", bytes, " bytes"), path_);
  }

  bool PunchHole(uint64_t offset, uint64_t bytes) override {
    return fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(offset),
                     static_cast<off_t>(bytes)) == 0;
  }

  absl::Status Sync() override {
    if (fdatasync(fd_) == 0) return absl::OkStatus();
    return DiskError(errno, "sync", path_);
  }

 private:
  const int fd_;
  const std::string path_;
};

struct OpenFile {
  int fd = -1;
  bool direct = false;
};

// With direct I/O where that works.
absl::StatusOr<OpenFile> OpenFor(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (fd >= 0) {
    if (DirectReadWorks(fd)) return OpenFile{.fd = fd, .direct = true};
    close(fd);
  }
  const int buffered = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (buffered < 0) return DiskError(errno, "open", path);
  return OpenFile{.fd = buffered, .direct = false};
}

absl::StatusOr<std::unique_ptr<BlockFile>> OpenPread(const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(const OpenFile file, OpenFor(path));
  return std::make_unique<PreadFile>(file.fd, path, file.direct);
}

class PosixFileSystem final : public FileSystem {
 public:
  explicit PosixFileSystem(IoEngine engine) : engine_(engine) {}

  absl::StatusOr<std::unique_ptr<BlockFile>> OpenForReading(
      const std::string& path) override {
    if (engine_ == IoEngine::kPread) return OpenPread(path);
    if (engine_ == IoEngine::kMmap) return OpenMapped(path);
    SHOAL_ASSIGN_OR_RETURN(const OpenFile file, OpenFor(path));
    // Through the page cache its requests only wait for threads of the kernel.
    if (engine_ == IoEngine::kAuto && !file.direct) {
      return std::make_unique<PreadFile>(file.fd, path, false);
    }
    auto uring = OpenUring(file.fd, path, file.direct);
    if (uring.ok() || engine_ == IoEngine::kUring) return uring;
    return OpenPread(path);
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> OpenForWriting(
      const std::string& path) override {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return DiskError(errno, "open for writing", path);
    return std::make_unique<PosixWritableFile>(fd, path);
  }

  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs info;
    if (statvfs(path.c_str(), &info) != 0) {
      return DiskError(errno, "ask for the free space at", path);
    }
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

 private:
  const IoEngine engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlockFile>> OpenBuffered(
    const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return DiskError(errno, "open", path);
  return std::make_unique<PreadFile>(fd, path, false);
}

FileSystem& FileSystem::Real(IoEngine engine) {
  static auto& systems = *new std::array{
      PosixFileSystem(IoEngine::kAuto), PosixFileSystem(IoEngine::kUring),
      PosixFileSystem(IoEngine::kPread), PosixFileSystem(IoEngine::kMmap)};
  return systems[static_cast<size_t>(engine)];
}

}  // namespace shoal::memory
