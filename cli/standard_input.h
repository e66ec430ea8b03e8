// Reading text that a person or a program pipes in.

#ifndef SHOAL_CLI_STANDARD_INPUT_H_
#define SHOAL_CLI_STANDARD_INPUT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace shoal::cli {

// All of standard input.
// Errors: kInvalidArgument  more than `bytes_max`
//         kUnavailable      it cannot be read
absl::StatusOr<std::string> ReadStandardInput(uint64_t bytes_max);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_STANDARD_INPUT_H_
