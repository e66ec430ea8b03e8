#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "memory/uring_file.h"

namespace shoal::memory {

absl::StatusOr<std::unique_ptr<BlockFile>> OpenUring(int fd, std::string path,
                                                     bool) {
  close(fd);
  return absl::UnimplementedError(
      absl::StrCat("cannot read ", path,
                   " through io_uring: this program was built without "
                   "liburing"));
}

}  // namespace shoal::memory
