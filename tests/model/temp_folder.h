// A folder of its own for a test, removed after it.

#ifndef SHOAL_TESTS_MODEL_TEMP_FOLDER_H_
#define SHOAL_TESTS_MODEL_TEMP_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/check.h"
#include "gtest/gtest.h"

namespace shoal::model::testing {

class TempFolder {
 public:
  TempFolder() : path_(::testing::TempDir() + "/shoal_XXXXXX") {
    SHOAL_CHECK(mkdtemp(path_.data()) != nullptr, path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void WriteText(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace shoal::model::testing

#endif  // SHOAL_TESTS_MODEL_TEMP_FOLDER_H_
