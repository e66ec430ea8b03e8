// A cluster file, checked (proto/cluster_config.proto says what the fields
// mean).

#ifndef SHOAL_CLI_CLUSTER_CONFIG_H_
#define SHOAL_CLI_CLUSTER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/flags_how.h"

namespace shoal::cli {

struct ClusterDevice {
  std::string name;
  bool local = false;
  uint64_t ram_cap_bytes = 0;  // 0: not given, as below
  uint64_t disk_cap_bytes = 0;
  uint32_t threads = 0;
  std::string store;
};

struct ClusterConfig {
  std::string name;
  std::string listen = "127.0.0.1:0";
  std::vector<ClusterDevice> devices;  // at least one; the first is local
  std::string model_file;              // empty: not given
  HowFlags how;                        // what the file sets, shares included
  absl::Duration join_timeout = absl::Minutes(2);
  std::string token_file;
  bool insecure = false;
};

// Errors: kNotFound         the file cannot be opened
//         kInvalidArgument  "file:line:column: what": no protobuf text, an
//                           unknown field, a value out of range
absl::StatusOr<ClusterConfig> ReadClusterConfig(const std::string& path);

// The same of text; `path` is for messages and for relative names in it.
absl::StatusOr<ClusterConfig> ParseClusterConfig(const std::string& text,
                                                 const std::string& path);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CLUSTER_CONFIG_H_
