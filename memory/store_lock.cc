#include "memory/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace shoal::memory {
namespace {

std::string HolderOf(int fd) {
  char text[32] = {};
  const ssize_t count = pread(fd, text, sizeof(text) - 1, 0);
  if (count <= 0) return "another process";
  const absl::string_view pid = absl::StripAsciiWhitespace(text);
  return absl::StrCat("process ", pid);
}

}  // namespace

absl::StatusOr<std::shared_ptr<StoreLock>> StoreLock::Acquire(
    const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(
        "cannot make the store directory ", directory, ": ", error.message()));
  }
  const std::string path = absl::StrCat(directory, "/lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    absl::Status status =
        why == EWOULDBLOCK
            ? absl::FailedPreconditionError(absl::StrCat(
                  "the store directory ", directory, " is in use by ",
                  HolderOf(fd), ": give each worker a directory of its own"))
            : absl::UnavailableError(
                  absl::StrCat("cannot lock ", path, ": ", std::strerror(why)));
    close(fd);
    return status;
  }
  // The pid is for the message above alone; the lock holds without it.
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    const int why = errno;
    close(fd);
    return absl::UnavailableError(
        absl::StrCat("cannot write ", path, ": ", std::strerror(why)));
  }
  return std::shared_ptr<StoreLock>(new StoreLock(fd));
}

StoreLock::~StoreLock() { close(fd_); }

bool StoreLock::AddOpenModel(const std::string& model_id) {
  base::MutexLock lock(mutex_);
  return open_models_.insert(model_id).second;
}

void StoreLock::RemoveOpenModel(const std::string& model_id) {
  base::MutexLock lock(mutex_);
  open_models_.erase(model_id);
}

bool StoreLock::IsOpen(const std::string& model_id) const {
  base::MutexLock lock(mutex_);
  return open_models_.contains(model_id);
}

}  // namespace shoal::memory
