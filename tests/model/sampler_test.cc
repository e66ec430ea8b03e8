#include "model/sampler.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625.
const std::vector<float> kHalving = {std::log(8.0f), std::log(4.0f),
                                     std::log(2.0f), 0, 0};

Sampler Create(const SamplingParameters& parameters, int32_t vocab_size) {
  auto sampler = Sampler::Create(parameters, vocab_size);
  SHOAL_CHECK(sampler.ok(), sampler.status().ToString());
  return *std::move(sampler);
}

int32_t Sample(Sampler& sampler, const std::vector<float>& logits) {
  const auto id = sampler.Sample(logits);
  SHOAL_CHECK(id.ok(), id.status().ToString());
  return *id;
}

std::vector<int32_t> Draw(const SamplingParameters& parameters,
                          const std::vector<float>& logits, int count) {
  Sampler sampler = Create(parameters, static_cast<int32_t>(logits.size()));
  std::vector<int32_t> ids;
  for (int idx = 0; idx < count; ++idx) ids.push_back(Sample(sampler, logits));
  return ids;
}

constexpr int kDrawCount = 40'000;

// The share of each token in kDrawCount draws.
std::vector<double> Shares(const SamplingParameters& parameters,
                           const std::vector<float>& logits) {
  std::vector<double> shares(logits.size(), 0);
  for (const int32_t id : Draw(parameters, logits, kDrawCount)) {
    shares[id] += 1.0 / kDrawCount;
  }
  return shares;
}

// A share of N draws has a deviation of sqrt(p (1 - p) / N) <= 0.0025: four of
// them. Tokens that were filtered out must not come up at all.
void ExpectShares(const std::vector<double>& shares,
                  const std::vector<double>& expected) {
  ASSERT_EQ(shares.size(), expected.size());
  for (size_t id = 0; id < shares.size(); ++id) {
    EXPECT_NEAR(shares[id], expected[id], expected[id] > 0 ? 0.01 : 0) << id;
  }
}

TEST(SamplerTest, TemperatureZeroTakesTheBestAndOfEqualsTheLowestId) {
  EXPECT_THAT(Draw({.temperature = 0}, {1, 3, 2, 3}, 2), ElementsAre(1, 1));
  EXPECT_THAT(Draw({.temperature = 0}, {-kInfinity, -5}, 1), ElementsAre(1));
}

TEST(SamplerTest, DrawsByProbability) {
  ExpectShares(Shares({.temperature = 1}, kHalving),
               {0.5, 0.25, 0.125, 0.0625, 0.0625});
}

TEST(SamplerTest, TemperatureDividesTheLogits) {
  // At 0.5 the probabilities are squared: 64, 16, 4, 1, 1 of 86.
  ExpectShares(Shares({.temperature = 0.5}, kHalving),
               {64 / 86.0, 16 / 86.0, 4 / 86.0, 1 / 86.0, 1 / 86.0});
}

TEST(SamplerTest, TopKKeepsTheBestAndOfEqualsTheLowestId) {
  ExpectShares(Shares({.top_k = 2, .temperature = 1}, kHalving),
               {2 / 3.0, 1 / 3.0, 0, 0, 0});
  ExpectShares(Shares({.top_k = 4, .temperature = 1}, kHalving),
               {8 / 15.0, 4 / 15.0, 2 / 15.0, 1 / 15.0, 0});
}

TEST(SamplerTest, TopPKeepsTheFewestThatReachItsProbability) {
  ExpectShares(Shares({.top_p = 0.7, .temperature = 1}, kHalving),
               {2 / 3.0, 1 / 3.0, 0, 0, 0});
  ExpectShares(Shares({.top_p = 0.8, .temperature = 1}, kHalving),
               {4 / 7.0, 2 / 7.0, 1 / 7.0, 0, 0});
  // Never fewer than one; and it looks at what top_k has left.
  ExpectShares(Shares({.top_p = 1e-9, .temperature = 1}, kHalving),
               {1, 0, 0, 0, 0});
  ExpectShares(Shares({.top_k = 2, .top_p = 0.6, .temperature = 1}, kHalving),
               {1, 0, 0, 0, 0});
}

TEST(SamplerTest, MinPDropsWhatIsFarBelowTheBest) {
  ExpectShares(Shares({.min_p = 0.2, .temperature = 1}, kHalving),
               {4 / 7.0, 2 / 7.0, 1 / 7.0, 0, 0});
  ExpectShares(Shares({.min_p = 1, .temperature = 1}, kHalving),
               {1, 0, 0, 0, 0});
}

TEST(SamplerTest, FiltersLookAtProbabilitiesBeforeTemperature) {
  ExpectShares(Shares({.top_p = 0.7, .temperature = 100}, kHalving),
               {0.5035, 0.4965, 0, 0, 0});
}

TEST(SamplerTest, AFilterThatKeepsAllChangesNoDraw) {
  std::vector<float> logits;
  for (int id = 0; id < 100; ++id) {
    logits.push_back(std::sin(static_cast<float>(id)) * 3);
  }
  const auto plain = Draw({.temperature = 1, .seed = 5}, logits, 200);
  EXPECT_EQ(Draw({.top_k = 100, .temperature = 1, .seed = 5}, logits, 200),
            plain);
  EXPECT_EQ(
      Draw({.top_p = 0.9999999, .temperature = 1, .seed = 5}, logits, 200),
      plain);
  EXPECT_EQ(Draw({.min_p = 1e-9, .temperature = 1, .seed = 5}, logits, 200),
            plain);
  EXPECT_NE(Draw({.temperature = 1, .seed = 6}, logits, 200), plain);
}

// Fixed for ever: the standard defines the generator, we the mapping. Its
// first numbers from this seed, as fractions of 2^64: 0.7868, 0.2505, 0.7107.
TEST(SamplerTest, ASeedGivesTheSameTokensEverywhere) {
  EXPECT_THAT(
      Draw({.temperature = 1, .seed = 5489}, std::vector<float>(1000, 0.0f), 3),
      ElementsAre(786, 250, 710));
}

TEST(SamplerTest, ACopyGoesOnFromTheSameState) {
  Sampler sampler = Create({.temperature = 1, .seed = 3}, 5);
  Sample(sampler, kHalving);
  Sampler copy = sampler;
  for (int idx = 0; idx < 50; ++idx) {
    EXPECT_EQ(Sample(sampler, kHalving), Sample(copy, kHalving));
  }
}

TEST(SamplerTest, RepeatedTokensArePenalisedOnceWhileInTheWindow) {
  Sampler sampler =
      Create({.repeat_penalty = 2, .repeat_window = 2, .temperature = 0}, 3);
  EXPECT_EQ(Sample(sampler, {3, 2, 0}), 0);
  sampler.Accept(0);
  sampler.Accept(0);
  EXPECT_EQ(Sample(sampler, {3, 2, 0}), 1);     // 1.5 and 2
  EXPECT_EQ(Sample(sampler, {3, 1.4f, 0}), 0);  // 1.5, not 0.75
  sampler.Accept(1);
  EXPECT_EQ(Sample(sampler, {3, 2, 0}), 0);  // 1.5 and 1
  sampler.Accept(2);
  EXPECT_EQ(Sample(sampler, {2, 3, 0}), 0);  // 0 has left: 2 and 1.5
}

TEST(SamplerTest, ThePenaltyLowersNegativeLogitsToo) {
  Sampler sampler = Create({.repeat_penalty = 2, .temperature = 0}, 2);
  sampler.Accept(0);
  EXPECT_EQ(Sample(sampler, {-1.0f, -1.5f}), 1);
}

TEST(SamplerTest, BrokenLogitsAreAnErrorThatNamesTheFirst) {
  Sampler sampler = Create({.temperature = 0}, 3);
  for (const float broken : {std::nanf(""), kInfinity}) {
    const absl::Status status =
        sampler.Sample(std::vector<float>{0, broken, 0}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()), HasSubstr("logit 1 of 3"));
  }
  const absl::Status status =
      sampler.Sample(std::vector<float>(3, -kInfinity)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
}

TEST(SamplerTest, TokensOfProbabilityZeroNeverComeUp) {
  ExpectShares(Shares({.temperature = 1}, {-kInfinity, 1, -kInfinity}),
               {0, 1, 0});
}

TEST(SamplerTest, RefusesParametersOutsideTheirRanges) {
  const double nan = std::nan("");
  const struct {
    SamplingParameters parameters;
    const char* name;
  } cases[] = {
      {{.repeat_penalty = 0}, "repeat_penalty"},
      {{.repeat_penalty = 101}, "repeat_penalty"},
      {{.repeat_window = (1u << 20) + 1}, "repeat_window"},
      {{.top_p = 0}, "top_p"},
      {{.top_p = 1.5}, "top_p is 1.5; allowed is more than 0 and at most 1"},
      {{.min_p = -0.1}, "min_p"},
      {{.min_p = 1.1}, "min_p"},
      {{.temperature = -1}, "temperature"},
      {{.temperature = nan}, "temperature is nan"},
      {{.temperature = 101}, "temperature"},
  };
  for (const auto& [parameters, name] : cases) {
    const absl::Status status = Sampler::Create(parameters, 10).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
  EXPECT_TRUE(SamplingParameters().Validate().ok());
}

}  // namespace
}  // namespace shoal::model
