#include "memory/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace shoal::memory {
namespace {

absl::Status DiskError(int error, absl::string_view action,
                       const std::string& path) {
  const std::string message =
      absl::StrCat("cannot ", action, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

class PreadFile final : public BlockFile {
 public:
  PreadFile(int fd, std::string path, bool direct)
      : fd_(fd), path_(std::move(path)), direct_(direct) {}
  ~PreadFile() override { close(fd_); }

  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) override {
    SHOAL_CHECK(offset % alignment() == 0 && to.size() % alignment() == 0 &&
                    reinterpret_cast<uintptr_t>(to.data()) % alignment() == 0,
                path_, " offset ", offset, " size ", to.size());
    return ReadFully(
        path_, alignment(), offset, to,
        [this](uint64_t at,
               std::span<std::byte> part) -> absl::StatusOr<uint64_t> {
          while (true) {
            const ssize_t count =
                pread(fd_, part.data(), part.size(), static_cast<off_t>(at));
            if (count >= 0) return static_cast<uint64_t>(count);
            if (errno == EINTR) continue;
            return DiskError(
                errno,
                absl::StrCat("read ", part.size(), " bytes at ", at, " of"),
                path_);
          }
        });
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

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<BlockFile>> OpenForReading(
      const std::string& path) override {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (fd >= 0) {
      if (DirectReadWorks(fd)) {
        return std::make_unique<PreadFile>(fd, path, true);
      }
      close(fd);
    }
    return OpenBuffered(path);
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
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlockFile>> OpenBuffered(
    const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return DiskError(errno, "open", path);
  return std::make_unique<PreadFile>(fd, path, false);
}

FileSystem& FileSystem::Real() {
  static PosixFileSystem* const file_system = new PosixFileSystem;
  return *file_system;
}

}  // namespace shoal::memory
