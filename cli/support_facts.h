// What goes into a support bundle: files by name, without secrets.

#ifndef SHOAL_CLI_SUPPORT_FACTS_H_
#define SHOAL_CLI_SUPPORT_FACTS_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/operator_flags.h"
#include "health/finding.h"

namespace shoal::cli {

// Takes secrets out of text: join tokens, private keys in PEM, and what it was
// told of.
// Threads: thread-compatible; Clean() thread-safe.
class Redactor {
 public:
  // Shorter ones are no secrets, and would take out parts of words.
  static constexpr size_t kSecretBytesMin = 8;

  void AddSecret(absl::string_view secret);
  std::string Clean(absl::string_view text) const;

 private:
  std::vector<std::string> secrets_;
};

struct SupportOptions {
  OperatorFlags where;
  std::string program_version;
  // Checks this device.
  std::function<health::Findings()> examine_here;
  std::string own_name;
};

// By name within the bundle. What cannot be had (no cluster file, no
// coordinator) is told in missing.txt, with the reason.
std::map<std::string, std::string> SupportFiles(const SupportOptions& options);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_SUPPORT_FACTS_H_
