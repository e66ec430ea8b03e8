// What a cohere2 file may say beside what the reference file says; its numbers
// are in tests/e2e/golden_models_test.cc.

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "tests/testing/golden_case.h"
#include "tests/testing/model_files.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::model {
namespace {

// Of the reference file, with `keys` added.
absl::StatusOr<ModelSpec> LoadWith(const GgufMetadata& keys) {
  const std::string from =
      shoal::testing::LoadGolden("cohere2-q8_0").model_path;
  const shoal::testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/changed.gguf";
  const absl::Status copied = shoal::testing::CopyModelWith(from, keys, path);
  if (!copied.ok()) return copied;
  const auto header = GgufHeader::ReadFile(path);
  if (!header.ok()) return header.status();
  return LoadModelSpec(*header);
}

struct Seen {
  uint32_t window = 0;
  uint32_t rotary_dim = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::vector<Seen> SeenByLayers(const ModelSpec& spec) {
  std::vector<Seen> seen;
  for (uint32_t i = 0; i < spec.layer_count(); ++i) {
    const AttentionSpec& attention = *spec.layers[i].phases[0].attention;
    seen.push_back({attention.window, attention.rope.rotary_dim});
  }
  return seen;
}

constexpr Seen kWindowed{11, 8};
constexpr Seen kWhole{0, 0};

TEST(Cohere2Test, EveryFourthLayerSeesAllAndIsNotRotated) {
  const auto spec = LoadWith({});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(SeenByLayers(*spec),
            (std::vector<Seen>{kWindowed, kWindowed, kWindowed, kWhole,
                               kWindowed, kWindowed}));
}

TEST(Cohere2Test, AFileMaySayAnotherPattern) {
  const auto spec =
      LoadWith({{"cohere2.attention.sliding_window_pattern", uint64_t{2}}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(SeenByLayers(*spec),
            (std::vector<Seen>{kWindowed, kWhole, kWindowed, kWhole, kWindowed,
                               kWhole}));
}

TEST(Cohere2Test, ASecondRotationBaseIsRefusedByName) {
  const std::string key = "cohere2.rope.freq_base_swa";
  const auto same = LoadWith({{key, 50000.0}});
  EXPECT_TRUE(same.ok()) << same.status();
  const auto other = LoadWith({{key, 10000.0}});
  EXPECT_TRUE(absl::IsUnimplemented(other.status())) << other.status();
  EXPECT_TRUE(absl::StrContains(other.status().message(), key))
      << other.status();
}

}  // namespace
}  // namespace shoal::model
