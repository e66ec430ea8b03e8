// A routed model reads the experts that its tokens go to, and no others.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "gtest/gtest.h"
#include "memory/block_file.h"
#include "model/unit_table.h"
#include "tests/testing/golden_case.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal {
namespace {

using testing::FleetOptions;
using testing::InProcessFleet;

// A token of a decode pass goes to `used` experts in every routed layer,
// whichever they are: experts are of one size, so the bytes are known.
uint64_t BytesOfOnePass(const model::ModelSpec& spec,
                        const model::UnitTable& units) {
  uint64_t fixed = 0;
  uint64_t routed = 0;
  for (const model::UnitLayout& unit : units.units()) {
    const base::UnitId& id = unit.spec.id;
    const uint64_t bytes =
        base::AlignUp(unit.spec.bytes, memory::kStoreAlignment);
    if (id.kind == base::UnitKind::kHub) continue;
    if (id.kind != base::UnitKind::kExpert) {
      fixed += bytes;
    } else if (id.expert == 0) {
      routed += bytes * spec.layers[id.layer].phases[id.phase].experts->used;
    }
  }
  return fixed + routed;
}

TEST(ExpertReadsTest, ADecodePassReadsFixedUnitsAndRoutedExpertsAlone) {
  constexpr uint32_t kPasses = 6;
  std::set<std::string> families;
  for (const std::string& name : testing::GoldenNames()) {
    const auto golden = testing::LoadGolden(name);
    for (const uint32_t ranks : {1u, 3u}) {
      FleetOptions options;
      options.rank_count = ranks;
      if (ranks == 3) options.shares = {2, 1, 3};
      options.run.weights = parallel::WeightsMode::kStream;
      testing::TemporaryFolder folder;
      options.store_root = folder.path();
      auto fleet = InProcessFleet::Create(golden.model_path, options);
      ASSERT_TRUE(fleet.ok()) << name << ": " << fleet.status();
      bool routed = false;
      for (const auto& layer : (*fleet)->spec().layers) {
        for (const auto& phase : layer.phases) {
          routed |= phase.experts.has_value();
        }
      }
      if (!routed) break;
      families.insert(golden.family);
      // The first decode pass only marks where counting begins.
      for (uint32_t i = 0; i <= kPasses; ++i) {
        const int32_t token = golden.prompts[0].tokens[i];
        const auto logits = (*fleet)->Evaluate({&token, 1}, i, 1);
        ASSERT_TRUE(logits.ok()) << logits.status();
      }
      // Ranks count a pass before they take part in the next.
      const std::vector<int32_t> two = {golden.prompts[0].tokens[0],
                                        golden.prompts[0].tokens[1]};
      ASSERT_TRUE((*fleet)->Evaluate(two, kPasses + 1, 1).ok());
      uint64_t read = 0;
      for (const auto& report : (*fleet)->Reports()) {
        EXPECT_EQ(report.decode_passes, kPasses);
        read += report.decode_read_bytes;
      }
      EXPECT_EQ(read,
                kPasses * BytesOfOnePass((*fleet)->spec(), (*fleet)->units()))
          << name << ", " << ranks << " ranks";
    }
  }
  // gpt-oss; llama (Mixtral), qwen2moe, qwen3moe, deepseek2.
  EXPECT_EQ(families.size(), testing::GoldenDirectory() ? 5u : 1u);
}

}  // namespace
}  // namespace shoal
