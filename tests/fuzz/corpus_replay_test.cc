// The kept inputs of one fuzz target, in every build: a fault that was found
// once stays found. SHOAL_CORPUS names their folder.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

TEST(CorpusReplayTest, EveryKeptInputIsHarmless) {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run it with ctest";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::string(source) + "/tests/fuzz/" SHOAL_CORPUS)) {
    SCOPED_TRACE(entry.path());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                           bytes.size());
    ++count;
  }
  EXPECT_GE(count, 10);
}

}  // namespace
