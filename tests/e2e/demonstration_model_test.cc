// The demonstration model gives the text and the perplexity that its README
// reports of another engine.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kernels/kernel_table.h"
#include "model/quantize_file.h"
#include "model/tokenizer.h"
#include "tests/testing/golden_case.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal {
namespace {

using testing::FleetOptions;
using testing::InProcessFleet;

constexpr uint32_t kWindow = 512;

std::string ModelsFolder() {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source, "/models/");
}

std::unique_ptr<model::Tokenizer> TokenizerOf(const std::string& path) {
  const auto header = model::GgufHeader::ReadFile(path);
  EXPECT_TRUE(header.ok()) << header.status();
  auto tokenizer = model::Tokenizer::Create(*header);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

// -log of the probability that `logits` [vocabulary] give to `id`.
double NegativeLogLikelihood(std::span<const float> logits, int32_t id) {
  double max = -INFINITY;
  for (const float logit : logits) max = std::max<double>(max, logit);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - max);
  return std::log(sum) + max - logits[id];
}

// Of the sample text, per token. Windows of 512 tokens, the first token of each
// replaced by BOS; the second half of each is scored, as the reference's
// perplexity tool does. At most `windows` of them.
double MeanNegativeLogLikelihood(
    const std::string& path, const std::string& isa, size_t windows,
    parallel::KvFormat kv = parallel::KvFormat::kF16) {
  testing::TemporaryFolder folder;
  FleetOptions options;
  options.run.kv = kv;
  options.store_root = folder.path();
  options.isa = isa;
  options.threads = 2;
  options.run.logits_rows_max = kWindow / 2;
  options.run.context_positions = kWindow;
  auto fleet = InProcessFleet::Create(path, options);
  EXPECT_TRUE(fleet.ok()) << fleet.status();
  const auto tokenizer = TokenizerOf(path);
  std::ifstream file(ModelsFolder() + "sample-text.txt");
  std::stringstream text;
  text << file.rdbuf();
  const auto ids = tokenizer->Encode(text.str(), {});
  EXPECT_TRUE(ids.ok()) << ids.status();
  const uint32_t vocabulary = (*fleet)->spec().vocabulary;
  double sum = 0;
  size_t count = 0;
  const size_t end = std::min(ids->size(), windows * kWindow);
  for (size_t begin = 0; begin + kWindow <= end; begin += kWindow) {
    std::vector<int32_t> window(ids->begin() + begin,
                                ids->begin() + begin + kWindow);
    window[0] = *tokenizer->bos_id();
    const auto logits = (*fleet)->Evaluate(window, 0, kWindow / 2);
    EXPECT_TRUE(logits.ok()) << logits.status();
    for (uint32_t row = 0; row + 1 < kWindow / 2; ++row) {
      sum += NegativeLogLikelihood(
          std::span(*logits).subspan(row * vocabulary, vocabulary),
          window[kWindow / 2 + row + 1]);
      ++count;
    }
  }
  return sum / static_cast<double>(count);
}

double Perplexity(const std::string& model) {
  return std::exp(
      MeanNegativeLogLikelihood(ModelsFolder() + model, "auto", SIZE_MAX));
}

// The reports have an error of 0.146 over the choice of text; on the same text
// two engines differ by rounding alone, for which 0.3 % is ample.
TEST(DemonstrationModelTest, PerplexityIsTheReferences) {
  const double q8 = Perplexity("shoal-stories-3m-q8_0.gguf");
  const double f16 = Perplexity("shoal-stories-3m-f16.gguf");
  const double draft = Perplexity("shoal-stories-draft-f16.gguf");
  std::printf("perplexity: Q8_0 %.4f, F16 %.4f, draft %.4f\n", q8, f16, draft);
  EXPECT_NEAR(q8, 6.4453, 0.003 * 6.4453);
  EXPECT_NEAR(f16, 6.4446, 0.003 * 6.4446);
  EXPECT_NEAR(draft, 8.3036, 0.003 * 8.3036);
}

// Vector kernels round elsewhere than the plain ones, no more: on a text the
// differences cancel. In every weight type that the model can be had in.
TEST(DemonstrationModelTest, EveryInstructionSetFindsTheTextAsLikely) {
  testing::TemporaryFolder folder;
  const std::string f16 = ModelsFolder() + "shoal-stories-3m-f16.gguf";
  std::vector<std::string> paths = {
      f16, ModelsFolder() + "shoal-stories-3m-q8_0.gguf"};
  using kernels::WeightType;
  for (const WeightType type : {WeightType::kQ4_0, WeightType::kQ4_K,
                                WeightType::kQ6_K, WeightType::kMXFP4}) {
    paths.push_back(
        absl::StrCat(folder.path(), "/", kernels::InfoOf(type).name, ".gguf"));
    const absl::Status written = model::QuantizeFile(
        {.input = f16, .output = paths.back(), .type = type, .threads = 2},
        [](const std::string&) {}, [](uint64_t, uint64_t) {});
    ASSERT_TRUE(written.ok()) << written;
  }
  for (const std::string& path : paths) {
    const double scalar = MeanNegativeLogLikelihood(path, "scalar", 2);
    for (const absl::string_view isa : kernels::AvailableIsas()) {
      const double got = MeanNegativeLogLikelihood(path, std::string(isa), 2);
      std::printf("%s %s: %.5f\n", path.c_str(), std::string(isa).c_str(), got);
      EXPECT_NEAR(got, scalar, 0.001 * scalar) << path << " " << isa;
    }
  }
}

// Q8 rounds keys and values by 0.4 % of the largest of a block, at random: the
// text becomes neither more nor less likely.
TEST(DemonstrationModelTest, KeysAndValuesInQ8LeaveTheTextAsLikely) {
  const std::string path = ModelsFolder() + "shoal-stories-3m-q8_0.gguf";
  const double f16 = MeanNegativeLogLikelihood(path, "auto", 8);
  const double q8 =
      MeanNegativeLogLikelihood(path, "auto", 8, parallel::KvFormat::kQ8);
  std::printf("KV in f16: %.5f, in q8: %.5f\n", f16, q8);
  EXPECT_NEAR(q8, f16, 0.001 * f16);
  EXPECT_NE(q8, f16);
}

TEST(DemonstrationModelTest, GreedyTextIsTheReferences) {
  const std::string path = ModelsFolder() + "shoal-stories-3m-q8_0.gguf";
  testing::TemporaryFolder folder;
  FleetOptions options;
  options.store_root = folder.path();
  options.rank_count = 4;
  auto fleet = InProcessFleet::Create(path, options);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const auto tokenizer = TokenizerOf(path);
  auto ids = tokenizer->Encode("Once upon a time, a small fish", {});
  ASSERT_TRUE(ids.ok());
  auto logits = (*fleet)->Evaluate(*ids, 0, 1);
  for (int i = 0; i < 60 && logits.ok(); ++i) {
    ids->push_back(testing::ArgMax(*logits));
    logits = (*fleet)->Evaluate(std::span(*ids).last(1),
                                static_cast<uint32_t>(ids->size() - 1), 1);
  }
  ASSERT_TRUE(logits.ok()) << logits.status();
  const std::string text = tokenizer->Decode(*ids, model::SpecialText::kHide);
  // The README wraps its lines; the model wrote spaces.
  const std::string reference =
      "Once upon a time, a small fish was swimming in the pond. It was very "
      "happy and wanted to swim in the pond. But it was raining. Drip, drop, "
      "drip, drop. \"I do not like the rain,\" he said.";
  EXPECT_EQ(text.substr(0, reference.size()), reference);
}

}  // namespace
}  // namespace shoal
