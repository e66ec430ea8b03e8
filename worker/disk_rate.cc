#include "worker/disk_rate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace shoal::worker {
namespace {

constexpr size_t kRequestBytes = size_t{1} << 20;
constexpr int kRequestCountMax = 16;

absl::Status Failure(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

// A file without a name: it goes away with its descriptor.
absl::StatusOr<int> MakeFile(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  std::string path = absl::StrCat(directory, "/disk-rate-XXXXXX");
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return Failure("cannot make", path);
  unlink(path.c_str());
  return fd;
}

// Direct I/O can be turned on later, too. tmpfs and some others refuse.
bool TurnOnDirect(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

// Returns the number of requests written.
absl::StatusOr<int> Fill(int fd, const void* buffer, absl::Duration time,
                         const std::string& directory) {
  const absl::Time deadline = absl::Now() + time;
  int count = 0;
  do {
    const auto offset = static_cast<off_t>(count * kRequestBytes);
    if (pwrite(fd, buffer, kRequestBytes, offset) !=
        static_cast<ssize_t>(kRequestBytes)) {
      if (count > 0) break;
      return Failure("cannot write a probe in", directory);
    }
    ++count;
  } while (count < kRequestCountMax && absl::Now() < deadline);
  if (fdatasync(fd) != 0) return Failure("cannot write a probe in", directory);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  return count;
}

absl::StatusOr<double> ReadBack(int fd, void* buffer, int count,
                                absl::Duration time,
                                const std::string& directory) {
  const absl::Time start = absl::Now();
  int done = 0;
  do {
    const auto offset = static_cast<off_t>(done * kRequestBytes);
    if (pread(fd, buffer, kRequestBytes, offset) !=
        static_cast<ssize_t>(kRequestBytes)) {
      return Failure("cannot read a probe in", directory);
    }
    ++done;
  } while (done < count && absl::Now() - start < time);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  return static_cast<double>(done) * kRequestBytes / std::max(seconds, 1e-6);
}

}  // namespace

absl::StatusOr<double> MeasureDiskRate(const std::string& directory,
                                       absl::Duration time) {
  SHOAL_ASSIGN_OR_RETURN(const int fd, MakeFile(directory));
  const auto close_file = absl::MakeCleanup([fd] { close(fd); });
  void* const buffer = mmap(nullptr, kRequestBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) return Failure("no memory to probe", directory);
  const auto unmap =
      absl::MakeCleanup([buffer] { munmap(buffer, kRequestBytes); });
  // Not zeros: some disks and file systems do not store those.
  std::memset(buffer, 0x5a, kRequestBytes);
  const bool direct = TurnOnDirect(fd);
  auto count = Fill(fd, buffer, time / 2, directory);
  if (!count.ok() && direct) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT);
    count = Fill(fd, buffer, time / 2, directory);
  }
  SHOAL_RETURN_IF_ERROR(count.status());
  return ReadBack(fd, buffer, *count, time / 2, directory);
}

}  // namespace shoal::worker
