#include "cli/store_root.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace shoal::cli {

absl::StatusOr<std::string> StoreRoot(const std::string& flag) {
  if (!flag.empty()) return flag;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') {
    return absl::StrCat(cache, "/shoal/store");
  }
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') {
    return absl::StrCat(home, "/.cache/shoal/store");
  }
  return absl::InvalidArgumentError(
      "no folder for the weight store: neither XDG_CACHE_HOME nor HOME is "
      "set; give one with --store DIR");
}

std::string DeviceStore(const std::string& root, absl::string_view device) {
  std::string folder(device);
  for (char& c : folder) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') c = '-';
  }
  if (folder.empty() || folder[0] == '.') folder = absl::StrCat("-", folder);
  return absl::StrCat(root, "/", folder);
}

std::vector<std::string> DevicesWithStores(const std::string& root) {
  std::vector<std::string> devices;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    std::error_code entry_error;
    if (entry.is_directory(entry_error)) {
      devices.push_back(entry.path().filename().string());
    }
  }
  std::sort(devices.begin(), devices.end());
  return devices;
}

}  // namespace shoal::cli
