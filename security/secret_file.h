// Files that only their owner may read.

#ifndef SHOAL_SECURITY_SECRET_FILE_H_
#define SHOAL_SECURITY_SECRET_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::security {

// A larger one is none of ours.
inline constexpr size_t kSecretFileBytesMax = size_t{64} << 10;

enum class FileReaders {
  kOwner,     // mode 0600: keys and tokens
  kEveryone,  // mode 0644: certificates
};

// Replaces or makes the file in one step: whoever reads it sees the old content
// or the new one, with the right mode from the first moment.
// Errors: kPermissionDenied, kNotFound (no folder), kResourceExhausted
//         (disk full), kUnavailable
absl::Status WriteSecretFile(const std::string& path, absl::string_view content,
                             FileReaders readers);

// The whole file. No error holds anything of its content.
// Errors:
//   kNotFound            there is none
//   kPermissionDenied    the system refuses, or kOwner and the file's mode lets
//                        its group or others in; the message has the command
//                        that sets it right
//   kInvalidArgument     more than kSecretFileBytesMax, or no file
absl::StatusOr<std::string> ReadSecretFile(const std::string& path,
                                           FileReaders readers);

// Makes the folder, and those above it, with mode 0700 where missing.
// Errors: kPermissionDenied, kAlreadyExists (a file), kUnavailable
absl::Status MakeSecretFolder(const std::string& path);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_SECRET_FILE_H_
