// A share of units in a fake file, for the tests of the weight cache.

#ifndef SHOAL_TESTS_MEMORY_TEST_SHARE_H_
#define SHOAL_TESTS_MEMORY_TEST_SHARE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "base/byte_size.h"
#include "base/crc32c.h"
#include "memory/unit_loader.h"
#include "memory/weight_cache.h"
#include "tests/testing/fake_files.h"

namespace shoal::memory {

// Units lie behind each other, but for a hole before each index in
// `hole_before`, and have random bytes.
struct TestShare {
  explicit TestShare(const std::vector<uint64_t>& unit_bytes,
                     const std::vector<uint32_t>& hole_before = {}) {
    uint64_t offset = 0;
    for (uint32_t i = 0; i < unit_bytes.size(); ++i) {
      for (const uint32_t hole : hole_before) {
        if (hole == i) offset += 3 * kStoreAlignment;
      }
      entries.push_back(
          {.unit_index = 100 + i, .offset = offset, .bytes = unit_bytes[i]});
      offset += PaddedBytes(entries.back());
      padded_bytes += PaddedBytes(entries.back());
    }
    std::vector<std::byte> content(offset);
    std::mt19937 random(1);
    for (std::byte& byte : content) byte = static_cast<std::byte>(random());
    file = std::make_unique<testing::FakeFile>(std::move(content));
    for (CacheEntry& entry : entries) entry.crc32c = base::Crc32c(Unit(entry));
  }

  std::span<const std::byte> Unit(const CacheEntry& entry) const {
    return std::span(file->content()).subspan(entry.offset, entry.bytes);
  }

  std::vector<CacheEntry> entries;
  uint64_t padded_bytes = 0;
  std::unique_ptr<testing::FakeFile> file;
};

}  // namespace shoal::memory

#endif  // SHOAL_TESTS_MEMORY_TEST_SHARE_H_
