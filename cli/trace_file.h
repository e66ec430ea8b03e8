// Writes what the devices of a run did when, for viewers of traces.

#ifndef SHOAL_CLI_TRACE_FILE_H_
#define SHOAL_CLI_TRACE_FILE_H_

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/coordinator.h"
#include "coordinator/request_record.h"

namespace shoal::cli {

// The format is that of "Trace Event Format" (Chromium), complete events in an
// object: chrome://tracing and ui.perfetto.dev read it. A process for each
// device; its first thread has the passes, with stalls, waits and exchanges
// inside, the others its reads. The requests of a service are a process of
// their own, with as many threads as there were requests at a time.
class TraceFile {
 public:
  // Opens the file, so that a run does not end with a path that was wrong.
  // Errors: kUnavailable  it cannot be written
  static absl::StatusOr<std::unique_ptr<TraceFile>> Create(
      const std::string& path);
  ~TraceFile();

  // Errors: kUnavailable  it cannot be written
  absl::Status Write(const std::vector<coordinator::RankTrace>& traces,
                     const std::vector<coordinator::RequestRecord>& requests);

 private:
  TraceFile(std::string path, std::FILE* file)
      : path_(std::move(path)), file_(file) {}

  absl::Status Failure() const;

  const std::string path_;
  std::FILE* file_;
};

// Collects the traces of all devices, writes them, and tells on standard error
// if they are not whole.
// Errors: as TraceFile::Write()
absl::Status SaveTrace(
    coordinator::Coordinator& coordinator, TraceFile& file,
    const std::vector<coordinator::RequestRecord>& requests = {});

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TRACE_FILE_H_
