#include "cli/standard_input.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/byte_size.h"

namespace shoal::cli {

absl::StatusOr<std::string> ReadStandardInput(uint64_t bytes_max) {
  std::string text;
  char buffer[4096];
  while (const size_t count = std::fread(buffer, 1, sizeof(buffer), stdin)) {
    text.append(buffer, count);
    if (text.size() > bytes_max) {
      return absl::InvalidArgumentError(
          absl::StrCat("standard input has more than ",
                       base::FormatByteSize(bytes_max), " of text"));
    }
  }
  if (std::ferror(stdin)) {
    return absl::UnavailableError(
        absl::StrCat("standard input: ", std::strerror(errno)));
  }
  return text;
}

}  // namespace shoal::cli
