// Serves the units of one model file, with digests.

#ifndef SHOAL_COORDINATOR_UNIT_SERVER_H_
#define SHOAL_COORDINATOR_UNIT_SERVER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "coordinator/digest_cache.h"
#include "model/gguf.h"
#include "model/unit_source.h"
#include "model/unit_table.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

// Reads each unit from the GGUF file when it is asked for. A digest that was
// computed once, by this process or a former one, is not computed again to
// confirm what a worker has; bytes that are sent always are digested anew.
//
// Memory:  kReaderCountMax buffers of the largest unit, while units are read.
// Threads: thread-safe; further readers wait for a buffer.
class UnitServer final : public parallel::UnitFetcher {
 public:
  static constexpr int kReaderCountMax = 2;

  // `table` is borrowed and must outlive this. `digest_directory` empty: no
  // digests are kept. `external`: of the model, if most of its tensor data is
  // not in the file; the digests that it lists count without reading.
  // Errors: of model::UnitSource::Open() and FileIdentity::Of().
  static absl::StatusOr<std::unique_ptr<UnitServer>> Open(
      const std::string& path, const std::string& model_id,
      const model::UnitTable& table, std::string digest_directory,
      const std::optional<model::GgufExternal>& external = std::nullopt);

  // Errors: as parallel::UnitFetcher; also
  //         kFailedPrecondition  a unit is wanted that is not in the file

  absl::Status Fetch(std::span<const Item> items,
                     absl::FunctionRef<absl::Status(const Unit&)> sink) override
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes what is known now for the next start. A failure costs time only:
  // it is logged.
  void SaveDigests() ABSL_LOCKS_EXCLUDED(mutex_);

  const model::UnitSource& source() const { return *source_; }
  // Bytes of units handed to sinks.
  uint64_t bytes_served() const { return bytes_served_; }
  // Bytes of units read from the file.
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  class Buffer;

  UnitServer(std::unique_ptr<model::UnitSource> source,
             const model::UnitTable& table, std::string digest_directory,
             FileIdentity identity, UnitDigests digests,
             std::vector<bool> is_external);

  absl::Status FetchOne(const Item& item,
                        absl::FunctionRef<absl::Status(const Unit&)> sink);

  const std::unique_ptr<model::UnitSource> source_;
  const model::UnitTable& table_;
  const std::string digest_directory_;
  const FileIdentity identity_;
  const std::vector<bool> is_external_;  // by unit; empty: none is

  base::Mutex mutex_;
  base::CondVar changed_;
  UnitDigests digests_ ABSL_GUARDED_BY(mutex_);
  bool digests_changed_ ABSL_GUARDED_BY(mutex_) = false;
  int readers_ ABSL_GUARDED_BY(mutex_) = 0;

  std::atomic<uint64_t> bytes_served_ = 0;
  std::atomic<uint64_t> bytes_read_ = 0;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_UNIT_SERVER_H_
