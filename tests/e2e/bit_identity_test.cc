// With f64 payload the logits are the same bits, however the model is cut.

#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/golden_case.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal {
namespace {

using parallel::WeightsMode;
using testing::FleetOptions;
using testing::InProcessFleet;

struct Model {
  std::string name;
  std::string path;
  std::vector<int32_t> tokens;
};

std::string DemonstrationModel() {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source,
                      "/models/shoal-stories-3m-q8_0.gguf");
}

std::vector<Model> Models() {
  std::vector<Model> models;
  Model demonstration{"demonstration", DemonstrationModel(), {}};
  demonstration.tokens.resize(45);
  for (int32_t i = 0; i < 45; ++i) {
    demonstration.tokens[i] = 300 + i * 37 % 1700;
  }
  models.push_back(demonstration);
  for (const std::string& name : testing::GoldenNames()) {
    const auto golden = testing::LoadGolden(name);
    models.push_back({name, golden.model_path, golden.prompts[0].tokens});
  }
  return models;
}

// The stores of a model, which cuts of it share: they stay when the plan
// changes, and what has been written once is not waited for again.
std::string StoresOf(const Model& model) {
  static const testing::TemporaryFolder folder;
  return folder.File(model.name);
}

// All rows of a prompt, then three single tokens: every logit in one vector.
absl::StatusOr<std::vector<float>> Logits(const Model& model,
                                          FleetOptions options) {
  options.store_root = StoresOf(model);
  options.run.logits_rows_max = 64;
  auto fleet = InProcessFleet::Create(model.path, options);
  if (!fleet.ok()) return fleet.status();
  const auto prompt_rows =
      std::min<uint32_t>(static_cast<uint32_t>(model.tokens.size()), 8);
  auto logits = (*fleet)->Evaluate(model.tokens, 0, prompt_rows);
  if (!logits.ok()) return logits.status();
  for (uint32_t i = 0; i < 3; ++i) {
    const auto position = static_cast<uint32_t>(model.tokens.size() + i);
    auto next = (*fleet)->Evaluate(std::span(&model.tokens[i], 1), position, 1);
    if (!next.ok()) return next.status();
    logits->insert(logits->end(), next->begin(), next->end());
  }
  return logits;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Variant {
  std::string name;
  FleetOptions options;
  uint32_t layers_min = 1;
};

Variant Make(std::string name, uint32_t ranks, std::vector<double> shares,
             WeightsMode weights) {
  Variant variant;
  variant.name = std::move(name);
  variant.options.rank_count = ranks;
  variant.options.shares = std::move(shares);
  variant.options.run.weights = weights;
  return variant;
}

std::vector<Variant> Variants() {
  std::vector<Variant> all;
  all.push_back(Make("1 streamed", 1, {}, WeightsMode::kStream));
  all.push_back(Make("2 even", 2, {}, WeightsMode::kResident));
  all.push_back(Make("2 uneven streamed", 2, {3, 1}, WeightsMode::kStream));
  all.push_back(Make("3 even streamed", 3, {}, WeightsMode::kStream));
  all.push_back(Make("3 uneven", 3, {1, 5, 2}, WeightsMode::kResident));
  all.push_back(Make("4 even", 4, {}, WeightsMode::kResident));
  all.push_back(Make("4 uneven", 4, {4, 3, 2, 1}, WeightsMode::kStream));
  all.push_back(
      Make("5 uneven streamed", 5, {2, 1, 4, 1, 3}, WeightsMode::kStream));
  all.push_back(Make("7 even streamed", 7, {}, WeightsMode::kStream));
  all.push_back(
      Make("7 uneven", 7, {1, 2, 3, 4, 3, 2, 1}, WeightsMode::kResident));
  all.push_back(
      Make("rank 0 without units", 3, {0, 1, 1}, WeightsMode::kResident));
  all.push_back(Make("plain star", 3, {2, 1, 1}, WeightsMode::kStream));
  all.back().options.collective = parallel::Collective::kStar;
  all.push_back(Make("chunk 1", 2, {}, WeightsMode::kResident));
  all.back().options.chunk_tokens = 1;
  all.push_back(Make("chunk 5, 3 threads", 2, {}, WeightsMode::kStream));
  all.back().options.chunk_tokens = 5;
  all.back().options.threads = 3;
  all.push_back(Make("tp=2,pp=2", 4, {}, WeightsMode::kStream));
  all.back().options.tensor_parallel = 2;
  all.back().options.pipeline_parallel = 2;
  all.back().layers_min = 2;
  all.push_back(Make("pp=3", 3, {}, WeightsMode::kResident));
  all.back().options.tensor_parallel = 1;
  all.back().options.pipeline_parallel = 3;
  all.back().layers_min = 3;
  return all;
}

// Of the reference models, one of each weight type.
bool IsOneOfItsType(const std::string& name) {
  static const std::set<std::string> kNames = {
      "demonstration", "llama-f32",  "llama-f16",  "llama-q8_0",
      "llama-q4_0",    "llama-q4_k", "llama-bf16", "llama-q6_k-hd128"};
  return kNames.contains(name);
}

TEST(BitIdentityTest, NoCutShowsInTheLogitsWithF64Payload) {
  size_t model_count = 0;
  for (const Model& model : Models()) {
    const auto alone = Logits(model, FleetOptions());
    ASSERT_TRUE(alone.ok()) << model.name << ": " << alone.status();
    ++model_count;
    for (const Variant& variant : Variants()) {
      const auto cut = Logits(model, variant.options);
      if (absl::IsInvalidArgument(cut.status()) && variant.layers_min > 1) {
        continue;  // fewer layers than stages: refused, see planner_test
      }
      ASSERT_TRUE(cut.ok())
          << model.name << ", " << variant.name << ": " << cut.status();
      EXPECT_TRUE(SameBits(*alone, *cut)) << model.name << ", " << variant.name;
    }
  }
  std::printf("%zu models, %zu cuts each\n", model_count, Variants().size());
}

// A position's scales are its own: neither the chunks that the prompt came in
// nor the ranks that keep it show.
TEST(BitIdentityTest, NoCutShowsWithKeysAndValuesInQ8) {
  const std::set<std::string> names = {"1 streamed", "3 uneven", "chunk 1",
                                       "chunk 5, 3 threads", "tp=2,pp=2"};
  for (const Model& model : Models()) {
    if (!IsOneOfItsType(model.name)) continue;
    FleetOptions options;
    const auto f16 = Logits(model, options);
    ASSERT_TRUE(f16.ok()) << model.name << ": " << f16.status();
    options.run.kv = parallel::KvFormat::kQ8;
    const auto alone = Logits(model, options);
    ASSERT_TRUE(alone.ok()) << model.name << ": " << alone.status();
    EXPECT_FALSE(SameBits(*f16, *alone)) << model.name;
    for (Variant& variant : Variants()) {
      if (!names.contains(variant.name)) continue;
      variant.options.run.kv = parallel::KvFormat::kQ8;
      const auto cut = Logits(model, variant.options);
      if (absl::IsInvalidArgument(cut.status()) && variant.layers_min > 1) {
        continue;  // as above
      }
      ASSERT_TRUE(cut.ok())
          << model.name << ", " << variant.name << ": " << cut.status();
      EXPECT_TRUE(SameBits(*alone, *cut)) << model.name << ", " << variant.name;
    }
  }
}

TEST(BitIdentityTest, TheSamePlanGivesTheSameBitsOnEveryRunWithF32Payload) {
  const Model model = Models()[0];
  FleetOptions options;
  options.rank_count = 3;
  options.shares = {3, 1, 2};
  options.payload = parallel::Payload::kF32;
  const auto first = Logits(model, options);
  ASSERT_TRUE(first.ok()) << first.status();
  options.threads = 2;
  for (int run = 0; run < 3; ++run) {
    const auto again = Logits(model, options);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(SameBits(*first, *again));
  }
}

TEST(BitIdentityTest, SocketsGiveTheBitsOfTheNetworkInMemory) {
  for (const Model& model : Models()) {
    if (!IsOneOfItsType(model.name)) continue;
    FleetOptions options;
    options.rank_count = 4;
    options.shares = {4, 3, 2, 1};
    for (const auto payload :
         {parallel::Payload::kF64, parallel::Payload::kF32}) {
      options.payload = payload;
      options.transport = std::nullopt;
      const auto in_memory = Logits(model, options);
      ASSERT_TRUE(in_memory.ok()) << model.name << ": " << in_memory.status();
      for (const auto transport :
           {parallel::Transport::kTcp, parallel::Transport::kZmq}) {
        options.transport = transport;
        const auto sockets = Logits(model, options);
        ASSERT_TRUE(sockets.ok()) << model.name << ": " << sockets.status();
        EXPECT_TRUE(SameBits(*in_memory, *sockets)) << model.name;
      }
    }
  }
}

}  // namespace
}  // namespace shoal
