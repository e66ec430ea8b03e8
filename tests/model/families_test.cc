// Every family's reference file: each byte of a tensor belongs to one unit, and
// no tensor may be missing or left over.

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/unit_table.h"
#include "tests/testing/golden_case.h"

namespace shoal::model {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

absl::StatusOr<ModelSpec> LoadFrom(const std::string& bytes) {
  auto header =
      GgufHeader::Parse(std::as_bytes(std::span(bytes.data(), bytes.size())),
                        bytes.size(), "test.gguf");
  if (!header.ok()) return header.status();
  auto spec = LoadModelSpec(*header);
  if (!spec.ok()) return spec.status();
  auto units = UnitTable::Create(*spec, *header);
  if (!units.ok()) return units.status();
  return spec;
}

using Intervals = std::vector<std::pair<uint64_t, uint64_t>>;  // [begin, end)

// Where the bytes of a part lie in the file.
void AddIntervals(const UnitPart& part, Intervals& to) {
  const uint64_t row_bytes = part.bytes() / part.rows;
  for (uint32_t row = 0; row < part.rows; ++row) {
    const uint64_t begin = part.file_offset +
                           row / part.run_rows * part.run_stride +
                           row % part.run_rows * part.file_stride;
    to.push_back({begin, begin + row_bytes});
  }
}

bool MayBeInSeveralUnits(PartRole role) {
  // One weight for the heads of all units; one norm before several inputs.
  return role == PartRole::kInputNorm || role == PartRole::kQueryNorm ||
         role == PartRole::kKeyNorm;
}

TEST(FamiliesTest, UnitsHoldEachByteOfEveryTensorOnce) {
  std::set<std::string> families;
  for (const std::string& name : shoal::testing::GoldenNames()) {
    const auto golden = shoal::testing::LoadGolden(name);
    const auto header = GgufHeader::ReadFile(golden.model_path);
    ASSERT_TRUE(header.ok()) << name << ": " << header.status();
    const auto spec = LoadModelSpec(*header);
    ASSERT_TRUE(spec.ok()) << name << ": " << spec.status();
    const auto table = UnitTable::Create(*spec, *header);
    ASSERT_TRUE(table.ok()) << name << ": " << table.status();
    Intervals intervals;
    std::set<uint64_t> shared;  // offsets of vectors seen
    for (const UnitLayout& unit : table->units()) {
      for (const UnitPart& part : unit.parts) {
        if (MayBeInSeveralUnits(part.role) &&
            !shared.insert(part.file_offset).second) {
          continue;
        }
        AddIntervals(part, intervals);
      }
    }
    for (const GgufTensor& tensor : header->tensors()) {
      const bool read_by_row =
          tensor.name == spec->position_embedding ||
          (tensor.name == spec->embedding &&
           spec->layers.back().phases[0].head->weight != spec->embedding);
      if (read_by_row) {
        intervals.push_back({tensor.offset, tensor.offset + tensor.bytes});
      }
    }
    std::sort(intervals.begin(), intervals.end());
    uint64_t next = 0;
    uint64_t bytes = 0;
    for (const auto& [begin, end] : intervals) {
      ASSERT_GE(begin, next) << name << ": bytes in two units at " << begin;
      next = end;
      bytes += end - begin;
    }
    uint64_t wanted = 0;
    for (const GgufTensor& tensor : header->tensors()) wanted += tensor.bytes;
    EXPECT_EQ(bytes, wanted) << name;
    families.insert(golden.family);
  }
  EXPECT_GE(families.size(), shoal::testing::GoldenDirectory() ? 20u : 3u);
}

// A name that the family does not know stands for a tensor that is missing and
// one that is too many: a result without it would look right.
TEST(FamiliesTest, ATensorOfAnotherNameIsRefused) {
  std::set<std::string> families;
  for (const std::string& name : shoal::testing::GoldenNames()) {
    const auto golden = shoal::testing::LoadGolden(name);
    if (!families.insert(golden.family).second) continue;
    std::string bytes = ReadFile(golden.model_path);
    const auto header = GgufHeader::ReadFile(golden.model_path);
    ASSERT_TRUE(header.ok()) << header.status();
    for (const GgufTensor& tensor : header->tensors()) {
      const size_t at = bytes.rfind(tensor.name, header->data_offset());
      ASSERT_NE(at, std::string::npos) << tensor.name;
      char& letter = bytes[at + tensor.name.size() - 1];
      const char before = std::exchange(letter, 'X');
      const auto loaded = LoadFrom(bytes);
      letter = before;
      EXPECT_FALSE(loaded.ok()) << name << ": " << tensor.name;
      // Without the fused tensor the separate ones are missed.
      const size_t fused = tensor.name.find("attn_qkv");
      const std::string named =
          fused == std::string::npos
              ? tensor.name.substr(0, tensor.name.size() - 1)
              : tensor.name.substr(0, fused) + "attn_q";
      EXPECT_TRUE(absl::StrContains(loaded.status().message(), named))
          << tensor.name << ": " << loaded.status();
    }
    EXPECT_TRUE(LoadFrom(bytes).ok()) << name;
  }
}

// Every key of the family, taken away or out of range, gives an error or a
// default, and a number is never trusted.
TEST(FamiliesTest, ImpossibleNumbersAreErrors) {
  std::set<std::string> families;
  for (const std::string& name : shoal::testing::GoldenNames()) {
    const auto golden = shoal::testing::LoadGolden(name);
    if (!families.insert(golden.family).second) continue;
    std::string bytes = ReadFile(golden.model_path);
    const auto header = GgufHeader::ReadFile(golden.model_path);
    ASSERT_TRUE(header.ok()) << header.status();
    size_t refused = 0;
    for (const auto& [key, value] : header->metadata()) {
      if (!absl::StartsWith(key, absl::StrCat(golden.family, "."))) continue;
      if (!std::holds_alternative<uint64_t>(value)) continue;
      // Length of the key, key, type, value.
      const size_t at = bytes.find(key) + key.size() + sizeof(uint32_t);
      for (const uint32_t number : {0u, 1u, 7u, 0x7fffffffu, 0xffffffffu}) {
        std::string changed = bytes;
        std::memcpy(changed.data() + at, &number, sizeof(number));
        refused += LoadFrom(changed).ok() ? 0 : 1;  // and no crash
      }
    }
    EXPECT_GE(refused, 10u) << name;
  }
}

}  // namespace
}  // namespace shoal::model
