// Runs a line of the shell, for tests whose other half is no C++ program.

#ifndef SHOAL_TESTS_TESTING_SHELL_H_
#define SHOAL_TESTS_TESTING_SHELL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace shoal::testing {

struct ShellResult {
  int status = -1;     // as of wait(2); 0: it ended well
  std::string output;  // standard output and standard error
};

ShellResult RunShell(absl::string_view command);

// `text` as one word of such a line.
std::string Quoted(absl::string_view text);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_SHELL_H_
