// A folder of its own for a test, removed afterwards.

#ifndef SHOAL_TESTS_TESTING_TEMPORARY_FOLDER_H_
#define SHOAL_TESTS_TESTING_TEMPORARY_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/check.h"

namespace shoal::testing {

class TemporaryFolder {
 public:
  // On the disk of $TMPDIR, or of /tmp.
  TemporaryFolder() {
    const char* const parent = getenv("TMPDIR");
    path_ =
        absl::StrCat(parent == nullptr ? "/tmp" : parent, "/shoal-test-XXXXXX");
    SHOAL_CHECK(mkdtemp(path_.data()) != nullptr, path_);
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const {
    return absl::StrCat(path_, "/", name);
  }

 private:
  std::string path_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_TEMPORARY_FOLDER_H_
