// Words of the command line whose feature is still to come.

#ifndef SHOAL_CLI_LATER_H_
#define SHOAL_CLI_LATER_H_

#include <string>

#include "absl/strings/string_view.h"

namespace shoal::cli {

// What to tell who gives the flag or verb `word` under the verbs `path`
// ("model", or "" at the top); empty if the word is simply unknown.
std::string LaterFeature(absl::string_view path, absl::string_view word);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_LATER_H_
