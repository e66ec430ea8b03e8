#include "model/unit_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::model {

absl::StatusOr<std::unique_ptr<UnitSource>> UnitSource::Open(
    const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  return std::unique_ptr<UnitSource>(new UnitSource(path, fd));
}

UnitSource::~UnitSource() { close(fd_); }

absl::Status UnitSource::ReadAt(uint64_t offset,
                                std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got =
        pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::UnavailableError(absl::StrCat(
          "reading ", path_, " at ", offset, ": ", std::strerror(errno)));
    }
    if (got == 0) {
      return absl::UnavailableError(
          absl::StrCat(path_, " ends at ", offset,
                       ": it became shorter after it was opened"));
    }
    offset += static_cast<uint64_t>(got);
    to = to.subspan(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

absl::Status UnitSource::Read(const UnitLayout& unit,
                              std::span<std::byte> to) const {
  SHOAL_CHECK(to.size() == unit.spec.bytes);
  std::memset(to.data(), 0, to.size());
  for (const UnitPart& part : unit.parts) {
    const uint64_t row_bytes = part.bytes() / part.rows;
    std::span<std::byte> target = to.subspan(part.unit_offset, part.bytes());
    // What lies together in the file is read at once.
    const bool whole_rows = row_bytes == part.file_stride;
    const uint32_t step = whole_rows ? part.run_rows : 1;
    for (uint32_t row = 0; row < part.rows; row += step) {
      const uint64_t offset = part.file_offset +
                              row / part.run_rows * part.run_stride +
                              row % part.run_rows * part.file_stride;
      SHOAL_RETURN_IF_ERROR(
          ReadAt(offset, target.subspan(row * row_bytes, step * row_bytes)));
    }
  }
  return absl::OkStatus();
}

}  // namespace shoal::model
