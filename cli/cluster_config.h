// A cluster file, checked (proto/cluster_config.proto says what the fields
// mean).

#ifndef SHOAL_CLI_CLUSTER_CONFIG_H_
#define SHOAL_CLI_CLUSTER_CONFIG_H_

#include <cstdint>
#include <optional>
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
  std::optional<double> share;
  std::string address;  // empty: it is local, or started by hand
  std::string ssh_user;
  uint32_t ssh_port = 0;
  std::optional<double> max_share;  // above 0, at most 1
  bool optional = false;
  std::string program;
};

// A field that the file gives: "model.ctx", "devices[pi].threads".
struct ClusterSetting {
  std::string path;
  std::string value;  // as text, without quotation marks
  int line = 0;       // the first is 1
};

struct ClusterConfig {
  std::string path;  // of the file
  std::string name;
  std::string listen = "127.0.0.1:0";
  bool coordinator_computes = true;
  std::vector<ClusterDevice> devices;  // none: any; else the first is local
  uint32_t expect = 0;                 // workers, if there are no devices
  std::string model_file;              // empty: not given
  HowFlags how;                        // what the file sets
  absl::Duration join_timeout = absl::Minutes(2);
  std::string token_file;
  std::string secrets;
  std::string ssh_config;
  bool insecure = false;
  bool trusted_lan = false;
  std::vector<ClusterSetting> settings;  // in the order of the schema
};

// Errors: kNotFound         the file cannot be opened
//         kInvalidArgument  "file:line:column: field: what": no protobuf text,
//                           an unknown field, a value out of range
absl::StatusOr<ClusterConfig> ReadClusterConfig(const std::string& path);

// The same of text; `path` is for messages and for relative names in it.
absl::StatusOr<ClusterConfig> ParseClusterConfig(const std::string& text,
                                                 const std::string& path);

// A field of the schema, for people.
struct ClusterField {
  absl::string_view path;      // "listen", "devices.ram_cap"
  absl::string_view fallback;  // what holds where the file says nothing
  absl::string_view allowed;
  absl::string_view flag;  // that wins over it; may be empty
};

// All of them, in the order of the schema.
const std::vector<ClusterField>& ClusterFields();

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CLUSTER_CONFIG_H_
