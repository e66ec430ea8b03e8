// Runs another program to its end: what goes in, what comes out.

#ifndef SHOAL_CLI_SUBPROCESS_H_
#define SHOAL_CLI_SUBPROCESS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::cli {

struct SubprocessOptions {
  std::vector<std::string> command;  // the program's name is looked up in PATH
  // Standard input: a file if one is named, else a text.
  std::string input_file = {};
  std::string input = {};
  // Longest time in which nothing goes in and nothing comes out.
  absl::Duration silence_max = absl::Seconds(30);
  // Bytes that went in so far; may be null.
  std::function<void(uint64_t)> on_progress = {};
};

struct SubprocessResult {
  int exit_code = -1;  // 128 + signal if one ended it
  std::string out;     // the first MiB of each
  std::string err;
};

// Signals are as by default in the program, whatever they are here. It is
// killed when silence_max has passed; what it started may go on.
//
// Threads: thread-safe.
// Errors: kNotFound          the program, or the input file
//         kDeadlineExceeded  silence
//         kUnavailable       it cannot be started
absl::StatusOr<SubprocessResult> RunSubprocess(
    const SubprocessOptions& options);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_SUBPROCESS_H_
