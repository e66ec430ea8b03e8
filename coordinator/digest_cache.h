// Remembers the digests of a model's units between starts, so that confirming
// a full store does not read the model.

#ifndef SHOAL_COORDINATOR_DIGEST_CACHE_H_
#define SHOAL_COORDINATOR_DIGEST_CACHE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unit.h"

namespace shoal::coordinator {

// What must be unchanged for a model's digests to count: real path, size, time
// of modification and inode of each of its files (one, or those of a split
// model), and the model id.
struct FileIdentity {
  std::string real_path;  // of several files, one in a line
  std::vector<uint64_t> sizes;
  std::vector<int64_t> modified_ns;
  std::vector<uint64_t> inodes;
  std::string model_id;

  // Errors: kNotFound, kUnavailable  a file cannot be looked at
  static absl::StatusOr<FileIdentity> Of(const std::string& path,
                                         const std::string& model_id);
};

using UnitDigests = std::vector<std::optional<base::Digest>>;

// $XDG_CACHE_HOME/shoal/digests, or $HOME/.cache/shoal/digests; empty if
// neither is set.
std::string DefaultDigestDirectory();

// Nothing known ([unit_count] times none) if there is no file for `identity`,
// it is of another state of the model, or it is damaged.
UnitDigests LoadDigests(const std::string& directory,
                        const FileIdentity& identity, uint32_t unit_count);

// Replaces the file as a whole. Errors: kUnavailable  it cannot be written.
absl::Status SaveDigests(const std::string& directory,
                         const FileIdentity& identity,
                         const UnitDigests& digests);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_DIGEST_CACHE_H_
