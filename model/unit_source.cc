#include "model/unit_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/gguf_parts.h"

namespace shoal::model {

absl::StatusOr<std::unique_ptr<UnitSource>> UnitSource::Open(
    const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<GgufPart> parts,
                         FindGgufParts(path));
  std::unique_ptr<UnitSource> source(new UnitSource);
  for (const GgufPart& part : parts) {
    const int fd = open(part.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      return absl::ErrnoToStatus(errno,
                                 absl::StrCat("cannot open ", part.path));
    }
    source->files_.push_back({part.path, part.begin, fd});
  }
  return source;
}

UnitSource::~UnitSource() {
  for (const File& file : files_) close(file.fd);
}

absl::Status UnitSource::ReadAt(uint64_t offset,
                                std::span<std::byte> to) const {
  const auto after = std::upper_bound(
      files_.begin() + 1, files_.end(), offset,
      [](uint64_t at, const File& file) { return at < file.begin; });
  const File& file = *(after - 1);
  offset -= file.begin;
  while (!to.empty()) {
    const ssize_t got =
        pread(file.fd, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::UnavailableError(absl::StrCat(
          "reading ", file.path, " at ", offset, ": ", std::strerror(errno)));
    }
    if (got == 0) {
      return absl::UnavailableError(
          absl::StrCat(file.path, " ends at ", offset,
                       ": it became shorter after it was opened"));
    }
    offset += static_cast<uint64_t>(got);
    to = to.subspan(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

absl::Status UnitSource::Read(const UnitLayout& unit,
                              std::span<std::byte> to) const {
  return ReadUnit(
      unit,
      [this](uint64_t offset, std::span<std::byte> bytes) {
        return ReadAt(offset, bytes);
      },
      to);
}

absl::Status ReadUnit(
    const UnitLayout& unit,
    absl::FunctionRef<absl::Status(uint64_t offset, std::span<std::byte> to)>
        read,
    std::span<std::byte> to) {
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
          read(offset, target.subspan(row * row_bytes, step * row_bytes)));
    }
  }
  return absl::OkStatus();
}

}  // namespace shoal::model
