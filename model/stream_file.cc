#include "model/stream_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/byte_size.h"
#include "base/status_macros.h"

namespace shoal::model {
namespace {

constexpr size_t kBufferAlignment = 4096;  // of O_DIRECT, on any common disk

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": ", what, " failed"));
}

void LeaveDirect(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT); }

}  // namespace

void StreamFile::FreeBuffer::operator()(std::byte* buffer) const {
  operator delete[](buffer, std::align_val_t(kBufferAlignment));
}

absl::StatusOr<std::unique_ptr<StreamFile>> StreamFile::Create(
    const std::string& path, uint64_t bytes) {
  std::unique_ptr<StreamFile> file(new StreamFile(path));
  SHOAL_RETURN_IF_ERROR(file->Open(bytes));
  return file;
}

StreamFile::StreamFile(const std::string& path)
    : path_(path), pending_path_(absl::StrCat(path, ".partial-", getpid())) {}

absl::Status StreamFile::Open(uint64_t bytes) {
  unlink(pending_path_.c_str());  // of a process with our id that died
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  fd_ = open(pending_path_.c_str(), kFlags | O_DIRECT, 0666);
  if (fd_ < 0 && errno == EINVAL) {
    unlink(pending_path_.c_str());  // some file systems refuse only then
    fd_ = open(pending_path_.c_str(), kFlags, 0666);
  }
  if (fd_ < 0) return Failed("creating the file", pending_path_);
  if (bytes > 0 && fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0 &&
      (errno == ENOSPC || errno == EFBIG)) {
    return Failed(absl::StrCat("reserving ", base::FormatByteSize(bytes)),
                  pending_path_);
  }
  for (Buffer* buffer : {&filling_, &writing_}) {
    buffer->reset(static_cast<std::byte*>(operator new[](
        kBufferBytes, std::align_val_t(kBufferAlignment))));
  }
  thread_ = std::thread([this] { WriteBuffers(); });
  return absl::OkStatus();
}

StreamFile::~StreamFile() {
  StopThread();
  if (fd_ < 0) return;
  close(fd_);
  unlink(pending_path_.c_str());
}

absl::Status StreamFile::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const uint64_t count =
        std::min<uint64_t>(bytes.size(), kBufferBytes - filled_bytes_);
    std::memcpy(filling_.get() + filled_bytes_, bytes.data(), count);
    filled_bytes_ += count;
    bytes = bytes.subspan(count);
    if (filled_bytes_ == kBufferBytes) SHOAL_RETURN_IF_ERROR(HandOver());
  }
  return absl::OkStatus();
}

absl::Status StreamFile::HandOver() {
  base::MutexLock lock(mutex_);
  while (writing_is_full_ && status_.ok()) changed_.Wait(mutex_);
  SHOAL_RETURN_IF_ERROR(status_);
  std::swap(filling_, writing_);
  filled_bytes_ = 0;
  writing_is_full_ = true;
  changed_.NotifyAll();
  return absl::OkStatus();
}

void StreamFile::WriteBuffers() {
  while (true) {
    {
      base::MutexLock lock(mutex_);
      while (!writing_is_full_ && !stopping_) changed_.Wait(mutex_);
      if (!writing_is_full_) return;
    }
    const absl::Status written = Write({writing_.get(), kBufferBytes});
    base::MutexLock lock(mutex_);
    writing_is_full_ = false;
    status_.Update(written);
    changed_.NotifyAll();
    if (!status_.ok()) return;
  }
}

absl::Status StreamFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL &&
        (fcntl(fd_, F_GETFL) & O_DIRECT) != 0) {
      LeaveDirect(fd_);  // larger blocks than ours, or no such way after all
      continue;
    }
    if (written < 0) return Failed("writing", pending_path_);
    bytes = bytes.subspan(static_cast<size_t>(written));
    // What remains of a write that was cut need not begin at a block.
    if (!bytes.empty()) LeaveDirect(fd_);
  }
  return absl::OkStatus();
}

void StreamFile::StopThread() {
  if (!thread_.joinable()) return;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

absl::Status StreamFile::WriteRest() {
  StopThread();
  {
    base::MutexLock lock(mutex_);
    SHOAL_RETURN_IF_ERROR(status_);
  }
  LeaveDirect(fd_);  // the end is no whole block
  return Write({filling_.get(), filled_bytes_});
}

absl::Status StreamFile::Finish() {
  SHOAL_RETURN_IF_ERROR(WriteRest());
  if (fsync(fd_) != 0) return Failed("fsync", pending_path_);
  if (rename(pending_path_.c_str(), path_.c_str()) != 0)
    return Failed("renaming the finished file", path_);
  close(fd_);
  fd_ = -1;
  return SyncFolder();
}

// Else a power cut may undo the rename.
absl::Status StreamFile::SyncFolder() const {
  const std::string folder =
      std::filesystem::absolute(path_).parent_path().string();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("opening the folder", folder);
  const int result = fsync(fd);
  // Some file systems do not sync folders, and say so.
  const bool failed = result != 0 && errno != EINVAL;
  const absl::Status status =
      failed ? Failed("fsync", folder) : absl::OkStatus();
  close(fd);
  return status;
}

}  // namespace shoal::model
