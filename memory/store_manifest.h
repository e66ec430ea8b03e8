// The journal that says which units a store file holds.

#ifndef SHOAL_MEMORY_STORE_MANIFEST_H_
#define SHOAL_MEMORY_STORE_MANIFEST_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unit.h"
#include "memory/file_system.h"

namespace shoal::memory {

struct StoredUnit {
  uint64_t offset = 0;  // in the units file
  uint64_t bytes = 0;   // without padding
  base::Digest digest;  // of the canonical bytes
  uint32_t crc32c = 0;  // of the packed bytes
};

// An append-only file: a header (magic, version, layout, fingerprint of the
// grid of units), then records of fixed size, each with its own checksum:
// "unit i is at this place" or "unit i is gone"; a later record replaces an
// earlier one. A torn tail and a damaged record are passed over, so that at
// worst a unit is fetched again. The format is in docs/store-format.md.
//
// Threads: thread-compatible.
class StoreManifest {
 public:
  // Opens or makes the journal at `path` and loads it. One that is of another
  // version, layout or grid, or whose header is damaged, is started anew.
  // Errors: kUnavailable, kResourceExhausted  the file cannot be read or made
  static absl::StatusOr<std::unique_ptr<StoreManifest>> Open(
      FileSystem& file_system, const std::string& path, uint32_t layout_id,
      uint64_t grid_fingerprint);

  // Only reads. Errors: kNotFound; kDataLoss  the header is damaged
  static absl::StatusOr<std::map<uint32_t, StoredUnit>> Load(
      const std::string& path);

  // Errors: those of WritableFile::WriteAt(); the manifest is as before then.
  absl::Status Add(uint32_t unit_index, const StoredUnit& unit);
  absl::Status Remove(uint32_t unit_index);
  absl::Status Sync();

  // By unit index.
  const std::map<uint32_t, StoredUnit>& units() const { return units_; }

 private:
  StoreManifest(std::unique_ptr<WritableFile> file, uint64_t end,
                std::map<uint32_t, StoredUnit> units);

  absl::Status Append(uint32_t unit_index, uint32_t kind,
                      const StoredUnit& unit);

  std::unique_ptr<WritableFile> file_;
  uint64_t end_;  // where the next record goes
  std::map<uint32_t, StoredUnit> units_;
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_STORE_MANIFEST_H_
