// The demonstration model gives the text and the perplexity that its README
// reports of another engine.

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
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

// Windows of 512 tokens, the first token of each replaced by BOS; the second
// half of each is scored, as the reference's perplexity tool does.
double Perplexity(const std::string& model, const std::string& isa) {
  testing::TemporaryFolder folder;
  FleetOptions options;
  options.store_root = folder.path();
  options.isa = isa;
  options.threads = 2;
  options.run.logits_rows_max = kWindow / 2;
  options.run.context_positions = kWindow;
  auto fleet = InProcessFleet::Create(ModelsFolder() + model, options);
  EXPECT_TRUE(fleet.ok()) << fleet.status();
  const auto tokenizer = TokenizerOf(ModelsFolder() + model);
  std::ifstream file(ModelsFolder() + "sample-text.txt");
  std::stringstream text;
  text << file.rdbuf();
  const auto ids = tokenizer->Encode(text.str(), {});
  EXPECT_TRUE(ids.ok()) << ids.status();
  const uint32_t vocabulary = (*fleet)->spec().vocabulary;
  double sum = 0;
  size_t count = 0;
  for (size_t begin = 0; begin + kWindow <= ids->size(); begin += kWindow) {
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
  return std::exp(sum / static_cast<double>(count));
}

// The reports have an error of 0.146 over the choice of text; on the same text
// two engines differ by rounding alone, for which 0.3 % is ample.
TEST(DemonstrationModelTest, PerplexityIsTheReferences) {
  const double q8 = Perplexity("shoal-stories-3m-q8_0.gguf", "auto");
  const double f16 = Perplexity("shoal-stories-3m-f16.gguf", "auto");
  const double draft = Perplexity("shoal-stories-draft-f16.gguf", "auto");
  std::printf("perplexity: Q8_0 %.4f, F16 %.4f, draft %.4f\n", q8, f16, draft);
  EXPECT_NEAR(q8, 6.4453, 0.003 * 6.4453);
  EXPECT_NEAR(f16, 6.4446, 0.003 * 6.4446);
  EXPECT_NEAR(draft, 8.3036, 0.003 * 8.3036);
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
