// Keeps a store directory for one process.

#ifndef SHOAL_MEMORY_STORE_LOCK_H_
#define SHOAL_MEMORY_STORE_LOCK_H_

#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace shoal::memory {

// Holds flock() on `<directory>/lock`, which also says the holder's pid. The
// kernel lets go of it however the process ends.
//
// Threads: thread-safe.
class StoreLock {
 public:
  // Makes the directory if it is missing.
  // Errors: kFailedPrecondition  another process holds it; names the directory
  //                              and the pid
  //         kUnavailable         the directory or the file cannot be made
  static absl::StatusOr<std::shared_ptr<StoreLock>> Acquire(
      const std::string& directory);

  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

  // Marks a model that this process has open and that eviction must spare.
  // Returns false if it was marked already.
  bool AddOpenModel(const std::string& model_id);
  void RemoveOpenModel(const std::string& model_id);
  bool IsOpen(const std::string& model_id) const;

 private:
  explicit StoreLock(int fd) : fd_(fd) {}

  const int fd_;
  mutable base::Mutex mutex_;
  std::set<std::string> open_models_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_STORE_LOCK_H_
