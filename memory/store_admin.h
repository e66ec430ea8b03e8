// What `shoal store` needs: list, verify, remove, and collect stores.

#ifndef SHOAL_MEMORY_STORE_ADMIN_H_
#define SHOAL_MEMORY_STORE_ADMIN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "memory/file_system.h"
#include "memory/store_lock.h"

namespace shoal::memory {

struct StoreSummary {
  std::string model_id;
  std::string model_name;    // model_id if model.txt is damaged
  uint64_t model_bytes = 0;  // of all units of the model
  uint64_t unit_count = 0;   // present, in all layouts
  uint64_t disk_bytes = 0;   // taken on this disk
  absl::Time last_used;      // InfinitePast if model.txt is damaged
};

// The models in a store directory, the most recently used first. A directory
// that does not exist holds none. Takes no lock.
absl::StatusOr<std::vector<StoreSummary>> ListStores(
    const std::string& directory);

struct UnitCheck {
  uint32_t layout_id = 0;
  uint32_t unit_index = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  absl::Status status;  // OK; kDataLoss: checksum; else as ReadAt()
};

// Reads every unit of a model and compares checksums. Calls `progress` with
// the bytes done and the bytes in all, before the first and after each.
// A worker that writes at the same time may make a unit look damaged.
// Errors: kInvalidArgument  model_id is no file name
//         kNotFound         no such model in the directory
//         kUnavailable      its files cannot be opened
absl::StatusOr<std::vector<UnitCheck>> VerifyStore(
    const std::string& directory, const std::string& model_id,
    absl::FunctionRef<void(uint64_t done, uint64_t total)> progress,
    FileSystem& file_system = FileSystem::Real());

// Removes a model's files. Holds the directory's lock, or `lock` if given.
// Errors: kInvalidArgument, kNotFound  as VerifyStore()
//         kFailedPrecondition  the directory is in use, or the model is open
//         kUnavailable  the files cannot be removed
absl::Status RemoveModel(const std::string& directory,
                         const std::string& model_id,
                         std::shared_ptr<StoreLock> lock = nullptr);

struct GarbageResult {
  std::vector<StoreSummary> removed;
  uint64_t disk_bytes = 0;  // taken by what is left
};

// Removes models that are not open, the least recently used first, until what
// is left takes at most `disk_cap_bytes`; less if nothing more can go.
// Errors: as RemoveModel().
absl::StatusOr<GarbageResult> CollectGarbage(
    const std::string& directory, uint64_t disk_cap_bytes,
    std::shared_ptr<StoreLock> lock = nullptr);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_STORE_ADMIN_H_
