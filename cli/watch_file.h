// What `shoal top --record` writes and `--replay` reads.

#ifndef SHOAL_CLI_WATCH_FILE_H_
#define SHOAL_CLI_WATCH_FILE_H_

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/operator.pb.h"

namespace shoal::cli {

// The file is a sequence of WatchUpdate messages, each after its length as a
// varint, as protobuf's own "delimited" streams are. Nothing else is in it.
inline constexpr uint32_t kWatchUpdateBytesMax = 4 << 20;

// Threads: thread-compatible.
class WatchFileWriter {
 public:
  // Errors: kUnavailable  the file cannot be written
  static absl::StatusOr<std::unique_ptr<WatchFileWriter>> Create(
      const std::string& path);

  // The file is whole after each. Errors: kUnavailable  the disk is full, say
  absl::Status Write(const proto::WatchUpdate& update);

 private:
  explicit WatchFileWriter(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::ofstream file_;
};

// The file may be anything. Threads: thread-compatible.
class WatchFileReader {
 public:
  // Errors: kNotFound  it cannot be read
  static absl::StatusOr<std::unique_ptr<WatchFileReader>> Open(
      const std::string& path);

  // False: the file ends here.
  // Errors: kDataLoss  from some byte on, which the message names, it is not
  //                    what a WatchFileWriter writes
  absl::StatusOr<bool> Next(proto::WatchUpdate& update);

 private:
  explicit WatchFileReader(std::string path) : path_(std::move(path)) {}
  absl::Status Damaged(const char* what) const;

  const std::string path_;
  std::ifstream file_;
  uint64_t offset_ = 0;  // of the update that is read
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_WATCH_FILE_H_
