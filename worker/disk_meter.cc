#include "worker/disk_meter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace shoal::worker {
namespace {

constexpr uint64_t kWindowBytes = 16 * base::kMiB;
constexpr uint64_t kWriteBytes = base::kMiB;

absl::Status Failure(absl::string_view what, absl::string_view path) {
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

// Returns the number of bytes written; a full disk ends the file early.
absl::StatusOr<uint64_t> Fill(int fd, const DiskMeter::Options& options) {
  // Not zeros: some disks and file systems do not store those.
  std::vector<uint32_t> data(kWriteBytes / sizeof(uint32_t));
  std::minstd_rand random(1);
  for (uint32_t& word : data) word = static_cast<uint32_t>(random());
  const absl::Time deadline = absl::Now() + options.write_time;
  uint64_t bytes = 0;
  do {
    if (pwrite(fd, data.data(), kWriteBytes, static_cast<off_t>(bytes)) !=
        static_cast<ssize_t>(kWriteBytes)) {
      if (bytes > 0) break;
      return Failure("cannot write a probe in", options.directory);
    }
    bytes += kWriteBytes;
  } while (bytes < options.file_bytes && absl::Now() < deadline);
  if (fdatasync(fd) != 0) {
    return Failure("cannot write a probe in", options.directory);
  }
  return bytes;
}

// Where the file holds data: holes take no time to read.
std::vector<std::pair<uint64_t, uint64_t>> DataOf(int fd, uint64_t file_bytes) {
  std::vector<std::pair<uint64_t, uint64_t>> data;
  uint64_t end = 0;
  while (end < file_bytes) {
    const off_t begin = lseek(fd, static_cast<off_t>(end), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) break;  // nothing more
    const off_t hole = begin < 0 ? -1 : lseek(fd, begin, SEEK_HOLE);
    if (hole < 0) return {{0, file_bytes}};  // the file system does not know
    end = static_cast<uint64_t>(hole);
    const uint64_t aligned =
        base::AlignUp(static_cast<uint64_t>(begin), memory::kStoreAlignment);
    if (aligned < end) data.emplace_back(aligned, end);
  }
  return data;
}

double ThreadCpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiskMeter>> DiskMeter::Create(
    const Options& options) {
  std::unique_ptr<DiskMeter> meter(new DiskMeter);
  std::string path = options.file;
  if (path.empty()) {
    SHOAL_ASSIGN_OR_RETURN(meter->fd_, MakeFile(options.directory));
    SHOAL_ASSIGN_OR_RETURN(meter->file_bytes_, Fill(meter->fd_, options));
    path = absl::StrCat("/proc/self/fd/", meter->fd_);
  } else {
    meter->fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info = {};
    if (meter->fd_ < 0 || fstat(meter->fd_, &info) != 0) {
      return Failure("cannot open", path);
    }
    meter->file_bytes_ = static_cast<uint64_t>(info.st_size);
    if (meter->file_bytes_ < kWriteBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, " has ", meter->file_bytes_,
          " bytes: too few to measure, at least ", kWriteBytes, " are needed"));
    }
  }
  meter->data_ = DataOf(meter->fd_, meter->file_bytes_);
  posix_fadvise(meter->fd_, 0, 0, POSIX_FADV_DONTNEED);
  SHOAL_ASSIGN_OR_RETURN(meter->memory_,
                         memory::Slab::Create(options.memory_bytes));
  SHOAL_ASSIGN_OR_RETURN(
      meter->file_,
      memory::FileSystem::Real(options.engine).OpenForReading(path));
  meter->file_->Register(meter->memory_.span());
  return meter;
}

DiskMeter::~DiskMeter() {
  if (file_ != nullptr) file_->Unregister(memory_.span());
  if (fd_ >= 0) close(fd_);
}

uint64_t DiskMeter::RequestCount(uint64_t bytes) const {
  uint64_t count = 0;
  for (const auto& [begin, end] : data_) count += (end - begin) / bytes;
  return count;
}

uint64_t DiskMeter::RequestAt(uint64_t number, uint64_t bytes) const {
  for (const auto& [begin, end] : data_) {
    const uint64_t count = (end - begin) / bytes;
    if (number < count) return begin + number * bytes;
    number -= count;
  }
  SHOAL_CHECK(false, "request ", number, " too many");
}

absl::StatusOr<DiskReading> DiskMeter::Measure(const DiskCase& disk_case,
                                               absl::Duration time) {
  const uint64_t bytes = disk_case.request_bytes;
  SHOAL_CHECK(bytes > 0 && bytes % memory::kStoreAlignment == 0 &&
              disk_case.depth > 0 && bytes * disk_case.depth <= memory_.size());
  const uint64_t request_count = RequestCount(bytes);
  if (request_count == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the file to read has ", file_bytes_,
        " bytes, and nowhere in it data for a request of ", bytes));
  }
  const bool cached = file_->alignment() < memory::kStoreAlignment;
  // A multiple of the depth, so that no two threads read to the same place.
  const uint64_t around = std::min(memory_.size(), kWindowBytes);
  const uint64_t places =
      disk_case.depth * std::max<uint64_t>(1, around / bytes / disk_case.depth);
  // On from the last measurement: what that read may be in a cache of the disk.
  std::atomic<uint64_t> next = bytes_read_ / bytes;
  std::atomic<uint64_t> done = 0;
  base::Mutex mutex;
  absl::Status status;     // of all threads, under the mutex
  double cpu_seconds = 0;  // likewise
  const absl::Time start = absl::Now();
  const auto read = [&](uint32_t number) {
    const double cpu_before = ThreadCpuSeconds();
    absl::Status own;
    uint64_t turn = number;
    do {
      const uint64_t offset = RequestAt(next++ % request_count, bytes);
      own = file_->ReadAt(offset,
                          memory_.span().subspan(turn % places * bytes, bytes));
      turn += disk_case.depth;
      if (!own.ok()) break;
      if (cached) {
        posix_fadvise(fd_, static_cast<off_t>(offset),
                      static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
      }
      ++done;
    } while (absl::Now() - start < time);
    base::MutexLock lock(mutex);
    status.Update(own);
    cpu_seconds += ThreadCpuSeconds() - cpu_before;
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < disk_case.depth; ++i) threads.emplace_back(read, i);
  for (std::thread& thread : threads) thread.join();
  SHOAL_RETURN_IF_ERROR(status);
  bytes_read_ += done * bytes;
  const double seconds =
      std::max(absl::ToDoubleSeconds(absl::Now() - start), 1e-6);
  return DiskReading{
      .bytes_per_second = static_cast<double>(done * bytes) / seconds,
      .cores = cpu_seconds / seconds};
}

}  // namespace shoal::worker
