// Where the weight stores of this machine's devices lie.

#ifndef SHOAL_CLI_STORE_ROOT_H_
#define SHOAL_CLI_STORE_ROOT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::cli {

// `flag` if given, else $XDG_CACHE_HOME/shoal/store, else
// $HOME/.cache/shoal/store. Each device has a folder of its name in it.
// Errors: kInvalidArgument  no --store and neither variable is set
absl::StatusOr<std::string> StoreRoot(const std::string& flag);

// The store of one device. Letters, digits, '-', '_' and '.' of the name are
// kept; anything else becomes '-'.
std::string DeviceStore(const std::string& root, absl::string_view device);

// The devices that have a store below `root`, sorted.
std::vector<std::string> DevicesWithStores(const std::string& root);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_STORE_ROOT_H_
