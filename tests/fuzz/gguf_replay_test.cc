// The seed corpus through the fuzz target, in every build.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "model/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

TEST(GgufReplayTest, SeedsAreValidAndEveryCutAndFlipIsHarmless) {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run it with ctest";
  int seed_count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::string(source) + "/tests/fuzz/gguf_corpus")) {
    SCOPED_TRACE(entry.path());
    ++seed_count;
    EXPECT_TRUE(shoal::model::GgufHeader::ReadFile(entry.path()).ok());
    std::ifstream file(entry.path(), std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto run = [&](size_t size) {
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                             size);
    };
    for (size_t size = 0; size <= bytes.size(); ++size) run(size);
    for (char& byte : bytes) {
      const char before = byte;
      for (const int bit : {0, 1, 4, 7}) {
        byte = static_cast<char>(before ^ (1 << bit));
        run(bytes.size());
      }
      byte = before;
    }
  }
  EXPECT_GE(seed_count, 4);
}

}  // namespace
