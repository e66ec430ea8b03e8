// Reads a file through a mapping and the page cache.

#ifndef SHOAL_MEMORY_MAPPED_FILE_H_
#define SHOAL_MEMORY_MAPPED_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "memory/block_file.h"

namespace shoal::memory {

// For comparison, and for systems that allow nothing else: each byte is copied
// once more. Of the mapping a read keeps at most kMappedStepBytes in this
// process at a time; at its end it gives its part of the page cache back.
inline constexpr uint64_t kMappedStepBytes = uint64_t{256} << 10;

// Threads: thread-safe.
// Failure: a disk that fails is an error where the system can tell (Linux 5.14
//          and later), else it ends the process with SIGBUS.
// Errors:  kNotFound, kUnavailable, as FileSystem::OpenForReading()
//          kUnimplemented  the file cannot be mapped
absl::StatusOr<std::unique_ptr<BlockFile>> OpenMapped(const std::string& path);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_MAPPED_FILE_H_
