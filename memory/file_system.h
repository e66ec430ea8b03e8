// The files that the weight store needs, so that tests can put slow, short
// and broken ones in their place.

#ifndef SHOAL_MEMORY_FILE_SYSTEM_H_
#define SHOAL_MEMORY_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "memory/block_file.h"

namespace shoal::memory {

// How files are read (docs/adr/0011).
enum class IoEngine : uint8_t {
  kAuto,   // the first of kUring and kPread that works
  kUring,  // io_uring; past the page cache where the file system allows
  kPread,  // pread(), likewise
  kMmap,   // a mapping, through the page cache
};

// A file open for writing. Threads: thread-compatible.
class WritableFile {
 public:
  virtual ~WritableFile() = default;

  // Errors: kResourceExhausted  the disk is full
  //         kUnavailable        any other failure of the disk
  virtual absl::Status WriteAt(uint64_t offset,
                               std::span<const std::byte> data) = 0;

  // Sets the size; new bytes read as 0 and take no room where the file system
  // knows holes. Errors: as WriteAt().
  virtual absl::Status Resize(uint64_t bytes) = 0;

  // Gives the room of a range back to the disk where the file system can; it
  // reads as 0 then. Returns whether it did.
  virtual bool PunchHole(uint64_t offset, uint64_t bytes) = 0;

  // Returns when what was written would survive a power cut.
  // Errors: as WriteAt().
  virtual absl::Status Sync() = 0;
};

// Threads: thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Tries a read, to find out what works.
  // Errors: kNotFound       no such file
  //         kUnavailable    it cannot be opened
  //         kUnimplemented  the system refuses the one engine that was wanted
  virtual absl::StatusOr<std::unique_ptr<BlockFile>> OpenForReading(
      const std::string& path) = 0;

  // Creates the file if it is missing; keeps what is in it otherwise.
  // Errors: kUnavailable  it cannot be opened
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> OpenForWriting(
      const std::string& path) = 0;

  // What the disk under `path` has left for us.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;

  // The system's files, read by this engine. Lives for ever.
  static FileSystem& Real(IoEngine engine = IoEngine::kAuto);
};

// As FileSystem::Real().OpenForReading(), with pread() through the page cache:
// for small files.
absl::StatusOr<std::unique_ptr<BlockFile>> OpenBuffered(
    const std::string& path);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_FILE_SYSTEM_H_
