#include "tests/testing/shell.h"

#include <array>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace shoal::testing {

ShellResult RunShell(absl::string_view command) {
  ShellResult result;
  FILE* const pipe =
      popen(absl::StrCat("{ ", command, "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> bytes;
  while (const size_t count = fread(bytes.data(), 1, bytes.size(), pipe)) {
    result.output.append(bytes.data(), count);
  }
  result.status = pclose(pipe);
  return result;
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

}  // namespace shoal::testing
