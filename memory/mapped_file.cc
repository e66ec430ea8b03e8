#include "memory/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "memory/posix_read.h"

namespace shoal::memory {
namespace {

// Of the kernel's interface; older C libraries lack the name.
constexpr int kPopulateRead = 22;

class MappedFile final : public BlockFile {
 public:
  // `data` is null for an empty file.
  MappedFile(int fd, std::string path, std::byte* data, uint64_t bytes)
      : fd_(fd), path_(std::move(path)), data_(data), bytes_(bytes) {}
  ~MappedFile() override {
    if (data_ != nullptr) munmap(data_, bytes_);
    close(fd_);
  }

  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) override {
    // Beyond the end of the file there is nothing to touch.
    SHOAL_RETURN_IF_ERROR(CheckEnd(offset, to.size()));
    const uint64_t begin = offset;
    const uint64_t end = offset + to.size();
    if (to.empty()) return absl::OkStatus();
    Advise(offset, end, MADV_WILLNEED);
    while (!to.empty()) {
      const uint64_t bytes = std::min<uint64_t>(to.size(), kMappedStepBytes);
      if (Advise(offset, offset + bytes, kPopulateRead) != 0 &&
          errno != EINVAL) {
        return DiskError(errno,
                         absl::StrCat("read ", bytes, " bytes at ", offset,
                                      " of the mapped file"),
                         path_);
      }
      std::memcpy(to.data(), data_ + offset, bytes);
      Advise(offset, offset + bytes, MADV_DONTNEED);
      offset += bytes;
      to = to.subspan(bytes);
    }
    // The next time comes after all the rest of a file that is larger than
    // memory. Pages that are kept till then push others out, one by one, while
    // a read waits for them: a third of the rate.
    posix_fadvise(fd_, static_cast<off_t>(begin),
                  static_cast<off_t>(end - begin), POSIX_FADV_DONTNEED);
    return absl::OkStatus();
  }

  uint64_t alignment() const override { return 1; }
  absl::string_view engine() const override { return "mmap"; }
  absl::string_view path() const override { return path_; }

 private:
  absl::Status CheckEnd(uint64_t offset, uint64_t bytes) const {
    struct stat info;
    if (fstat(fd_, &info) != 0) return DiskError(errno, "stat", path_);
    const uint64_t end = std::min(bytes_, static_cast<uint64_t>(info.st_size));
    if (offset + bytes <= end) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat(path_, " ends at byte ", end, ", expected ", bytes,
                     " bytes from ", offset, " on: the file was cut short"));
  }

  int Advise(uint64_t begin, uint64_t end, int advice) const {
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const uint64_t from = begin / page * page;
    return madvise(data_ + from, end - from, advice);
  }

  const int fd_;
  const std::string path_;
  std::byte* const data_;
  const uint64_t bytes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlockFile>> OpenMapped(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return DiskError(errno, "open", path);
  struct stat info;
  if (fstat(fd, &info) != 0) {
    const absl::Status status = DiskError(errno, "stat", path);
    close(fd);
    return status;
  }
  const auto bytes = static_cast<uint64_t>(info.st_size);
  void* data = nullptr;
  if (bytes > 0) {
    data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
      close(fd);
      return absl::UnimplementedError(
          absl::StrCat("cannot map ", path, ": ", std::strerror(errno)));
    }
  }
  return std::make_unique<MappedFile>(fd, path, static_cast<std::byte*>(data),
                                      bytes);
}

}  // namespace shoal::memory
