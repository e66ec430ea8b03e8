// What `shoal top --plain` prints: lines for logs and screen readers.

#ifndef SHOAL_CLI_TOP_PLAIN_H_
#define SHOAL_CLI_TOP_PLAIN_H_

#include <string>

#include "absl/time/time.h"
#include "proto/operator.pb.h"

namespace shoal::cli {

// The events of an update, a line each with its command, then a line for the
// fleet and one for each device that has `filter` in its name. Each begins with
// the time.
std::string PlainText(const proto::WatchUpdate& update,
                      const std::string& filter, absl::TimeZone zone);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TOP_PLAIN_H_
