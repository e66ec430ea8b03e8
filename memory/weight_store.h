// A device's units of one model on its own disk.

#ifndef SHOAL_MEMORY_WEIGHT_STORE_H_
#define SHOAL_MEMORY_WEIGHT_STORE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/unit.h"
#include "memory/block_file.h"
#include "memory/file_system.h"
#include "memory/store_lock.h"
#include "memory/store_manifest.h"

namespace shoal::memory {

struct StoreKey {
  std::string model_id;    // a file name: letters, digits, '-', '_', '.'
  std::string model_name;  // for people
  uint32_t layout_id = 0;
  // Every unit of the model, not only this device's, in execution order.
  std::vector<base::UnitSpec> units = {};
};

// `<directory>/<model_id>/units.<layout_id>.bin` has a fixed place for every
// unit of the model, in execution order, each a multiple of kStoreAlignment.
// A device writes only the units it was given; the holes between take no room.
// So a new plan only fills more places, and a share of a layer is one range.
// Beside it lie the journal of what is there (StoreManifest) and model.txt
// (name, bytes, last use), from which the least recently used model is found.
//
// Memory:  about 100 bytes for a unit; no unit is held.
// Threads: thread-safe; Write() and Forget() run one at a time.
// Failure: a process that dies leaves a store that opens again with all units
//          whose Write() returned. After a power cut, units written since the
//          last Sync() may be damaged: their CRC32C tells.
class WeightStore {
 public:
  struct Options {
    std::string directory;  // of all models; made if missing
    // Of all models in the directory together.
    uint64_t disk_cap_bytes = std::numeric_limits<uint64_t>::max();
    FileSystem* file_system = nullptr;  // borrowed; null: the system's
    base::Clock* clock = nullptr;       // borrowed; null: the system's
    // Shared by the stores that one process has open in one directory.
    std::shared_ptr<StoreLock> lock = nullptr;  // null: Open() takes it
  };

  // Errors:
  //   kInvalidArgument     model_id is no file name, or no units
  //   kFailedPrecondition  the directory is in use (names the pid), or this
  //                        process has this model's store open already
  //   kUnavailable, kResourceExhausted  files cannot be made or read
  static absl::StatusOr<std::unique_ptr<WeightStore>> Open(Options options,
                                                           StoreKey key);
  ~WeightStore();
  WeightStore(const WeightStore&) = delete;
  WeightStore& operator=(const WeightStore&) = delete;

  uint32_t unit_count() const;

  // The place of unit `unit_index`, whether it is present or not.
  // REQUIRES: unit_index < unit_count(), here and below.
  uint64_t OffsetOf(uint32_t unit_index) const;
  uint64_t BytesOf(uint32_t unit_index) const;

  // The digest of the canonical bytes of a unit that is present.
  std::optional<base::Digest> DigestOf(uint32_t unit_index) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The CRC32C of the packed bytes. REQUIRES: the unit is present.
  uint32_t Crc32cOf(uint32_t unit_index) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Puts a unit in its place, then notes it in the journal. May remove other
  // models of the directory, the least recently used first, to stay below
  // disk_cap_bytes. A unit that is present is replaced.
  // REQUIRES: packed.size() == BytesOf(unit_index).
  // Errors, after which the unit is absent:
  //   kResourceExhausted  the disk or disk_cap_bytes is full; gives the numbers
  //   kUnavailable        the disk failed
  absl::Status Write(uint32_t unit_index, const base::Digest& digest,
                     std::span<const std::byte> packed)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Drops a unit (damaged, or no longer wanted) and gives its room back.
  // Errors: kUnavailable, kResourceExhausted  the journal cannot be written
  absl::Status Forget(uint32_t unit_index) ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns when all that was written would survive a power cut.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(mutex_);

  // The units file for reading. It stays valid beyond the store, and sees what
  // is written later. Errors: kUnavailable.
  absl::StatusOr<std::unique_ptr<BlockFile>> OpenUnits();

  // Layouts other than the key's in which units of this model lie here.
  std::vector<uint32_t> OtherLayouts() const;

  // Hands every intact unit of another layout to `take`, in execution order,
  // one at a time: (unit index, digest, packed bytes of that layout), which are
  // valid during the call. `take` repacks and calls Write(). A unit taken is
  // dropped from the other layout, and the layout's files go when it is empty
  // or damaged, so a cut repack goes on where it was. Units that this store has
  // already are not handed over.
  // Errors: those of `take`, which end the walk; kUnavailable.
  using TakeUnit = absl::FunctionRef<absl::Status(
      uint32_t unit_index, const base::Digest& digest,
      std::span<const std::byte> packed)>;
  absl::Status TakeUnitsOf(uint32_t layout_id, TakeUnit take)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Of the units present, padding included.
  uint64_t stored_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

  // For messages.
  const std::string& units_path() const { return units_path_; }

 private:
  WeightStore(Options options, StoreKey key);

  absl::Status OpenFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ForgetLocked(uint32_t unit_index)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteModelInfo() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Explain(const absl::Status& status, uint32_t unit_index) const;
  absl::Status TakeUnits(StoreManifest& other, const std::string& path,
                         TakeUnit take) ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t PlaceBytes(uint32_t unit_index) const;

  const Options options_;  // all set; the model is marked open in the lock
  const StoreKey key_;
  const std::string model_directory_;
  const std::string units_path_;
  std::vector<uint64_t> offsets_;  // [unit_count + 1]; the last is the size
  uint64_t grid_fingerprint_ = 0;

  mutable base::Mutex mutex_;
  std::unique_ptr<WritableFile> file_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<StoreManifest> manifest_ ABSL_GUARDED_BY(mutex_);
  uint64_t stored_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t directory_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // all models
  bool marked_open_ = false;                              // in options_.lock
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_WEIGHT_STORE_H_
