// Writes a large file from front to end at the speed of the disk.

#ifndef SHOAL_MODEL_STREAM_FILE_H_
#define SHOAL_MODEL_STREAM_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace shoal::model {

// The file has a temporary name until Finish(): its path has the old content or
// the whole new one. Writes past the page cache where the file system allows
// it, in a thread of its own, so that whoever makes the bytes does not wait.
//
// Memory:  two buffers of kBufferBytes.
// Threads: thread-compatible; owns one thread.
// Failure: an error of the disk ends the work at the next call.
class StreamFile {
 public:
  static constexpr uint64_t kBufferBytes = uint64_t{4} << 20;

  // Reserves `bytes`, the size that the file will have, where the file system
  // can, so that a full disk is known before the work.
  // Errors: kNotFound, kPermissionDenied  the folder is missing or closed
  //         kResourceExhausted            the disk is full
  static absl::StatusOr<std::unique_ptr<StreamFile>> Create(
      const std::string& path, uint64_t bytes);

  // Without Finish() nothing is left of the file.
  ~StreamFile();
  StreamFile(const StreamFile&) = delete;
  StreamFile& operator=(const StreamFile&) = delete;

  // Errors: kResourceExhausted  the disk is full
  //         kUnavailable, ...   other errors of the disk
  absl::Status Append(std::span<const std::byte> bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes what is left, syncs, and gives the file its name.
  // REQUIRES: called once, last. Errors: as Append().
  absl::Status Finish() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct FreeBuffer {
    void operator()(std::byte* buffer) const;
  };
  using Buffer = std::unique_ptr<std::byte[], FreeBuffer>;

  explicit StreamFile(const std::string& path);
  absl::Status Open(uint64_t bytes);
  absl::Status HandOver() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WriteRest();
  absl::Status SyncFolder() const;
  void WriteBuffers() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Write(std::span<const std::byte> bytes);
  void StopThread() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string path_;
  const std::string pending_path_;
  int fd_ = -1;
  Buffer filling_;
  uint64_t filled_bytes_ = 0;  // of filling_

  base::Mutex mutex_;
  base::CondVar changed_;
  Buffer writing_;  // of the thread while writing_is_full_, else of the caller
  bool writing_is_full_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_STREAM_FILE_H_
