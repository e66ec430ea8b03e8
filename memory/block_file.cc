#include "memory/block_file.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::memory {

absl::Status ReadFully(
    absl::string_view path, uint64_t alignment, uint64_t offset,
    std::span<std::byte> to,
    absl::FunctionRef<absl::StatusOr<uint64_t>(uint64_t, std::span<std::byte>)>
        read_some) {
  uint64_t done = 0;
  while (done < to.size()) {
    // After a short read the bytes of the last, incomplete block are read
    // again, so that the next request is aligned too.
    const uint64_t from = done / alignment * alignment;
    SHOAL_ASSIGN_OR_RETURN(const uint64_t count,
                           read_some(offset + from, to.subspan(from)));
    if (from + count <= done) {
      return absl::OutOfRangeError(absl::StrCat(
          path, " ends at byte ", offset + done, ", expected ", to.size(),
          " bytes from ", offset, " on: the file was cut short"));
    }
    done = from + count;
  }
  return absl::OkStatus();
}

}  // namespace shoal::memory
