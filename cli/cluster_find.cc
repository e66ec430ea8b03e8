#include "cli/cluster_find.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace shoal::cli {
namespace {

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::error_code entry_error;
    if (entry.path().extension() == ".textproto" &&
        entry.is_regular_file(entry_error)) {
      files.push_back(entry.path().lexically_normal().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void Say(const FoundCluster& found) {
  std::fprintf(stderr, "cluster file %s (%s)\n", found.path.c_str(),
               found.origin.c_str());
}

}  // namespace

absl::StatusOr<FoundCluster> FindCluster(const std::string& folder) {
  const char* variable = std::getenv(kClusterVariable);
  if (variable != nullptr && variable[0] != '\0') {
    return FoundCluster{variable, absl::StrCat("from ", kClusterVariable)};
  }
  const std::vector<std::string> files = FilesIn(folder);
  if (files.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there are several cluster files here: ", absl::StrJoin(files, ", "),
        "; name one with --cluster FILE, or give --local 1 to use none"));
  }
  if (files.empty()) return FoundCluster();
  return FoundCluster{files[0], "the only one here"};
}

absl::Status ChooseCluster(WhereFlags& flags) {
  if (flags.local > 0 || !flags.cluster.empty() || !flags.listen.empty() ||
      !flags.coordinator.empty()) {
    return absl::OkStatus();
  }
  SHOAL_ASSIGN_OR_RETURN(const FoundCluster found, FindCluster());
  if (found.path.empty()) return absl::OkStatus();
  flags.cluster = found.path;
  Say(found);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ClusterFileOf(const std::string& given) {
  if (!given.empty()) return given;
  const absl::StatusOr<FoundCluster> found = FindCluster();
  if (!found.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("which FILE? ", found.status().message()));
  }
  if (found->path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no cluster file here: name one, set ", kClusterVariable,
        ", or make one with shoal init NAME -m MODEL"));
  }
  Say(*found);
  return found->path;
}

}  // namespace shoal::cli
