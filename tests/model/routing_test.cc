#include "model/routing.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::model {
namespace {

PhaseSpec Phase(uint32_t count, uint32_t used, Gating gating) {
  PhaseSpec phase;
  phase.experts.emplace();
  phase.experts->experts.resize(count);
  phase.experts->used = used;
  phase.experts->gating = gating;
  return phase;
}

std::vector<float> Choose(const PhaseSpec& phase, std::vector<float> scores,
                          const std::vector<float>& bias = {}) {
  std::vector<float> row(RoutingCols(phase), -1.0f);
  Router().Choose(*phase.experts, scores, bias, row);
  return row;
}

TEST(RouterTest, SoftmaxWeighsOverAllExperts) {
  const PhaseSpec phase = Phase(3, 2, Gating::kSoftmax);
  const auto row =
      Choose(phase, {std::log(1.0f), std::log(5.0f), std::log(2.0f)});
  EXPECT_EQ(row[0], 1.0f);
  EXPECT_FLOAT_EQ(row[1], 5.0f / 8);
  EXPECT_EQ(row[2], 2.0f);
  EXPECT_FLOAT_EQ(row[3], 2.0f / 8);
}

TEST(RouterTest, SoftmaxOfTheChosenLeavesTheOthersOut) {
  const PhaseSpec phase = Phase(3, 2, Gating::kSoftmaxChosen);
  const auto row =
      Choose(phase, {std::log(1.0f), std::log(5.0f), std::log(2.0f)});
  EXPECT_FLOAT_EQ(row[1], 5.0f / 7);
  EXPECT_FLOAT_EQ(row[3], 2.0f / 7);
}

TEST(RouterTest, NormalisedWeightsAddUpToTheFactor) {
  PhaseSpec phase = Phase(4, 3, Gating::kSigmoid);
  phase.experts->normalize = true;
  phase.experts->weight_scale = 2.5f;
  const auto row = Choose(phase, {0.3f, -1, 2, 0.1f});
  EXPECT_EQ(row[0], 2.0f);
  EXPECT_NEAR(row[1] + row[3] + row[5], 2.5, 1e-6);
}

TEST(RouterTest, OfEqualScoresTheLowerNumberIsChosen) {
  const PhaseSpec phase = Phase(5, 3, Gating::kSoftmax);
  const auto row = Choose(phase, {1, 2, 1, 2, 1});
  EXPECT_EQ(row[0], 1.0f);
  EXPECT_EQ(row[2], 3.0f);
  EXPECT_EQ(row[4], 0.0f);
}

TEST(RouterTest, TheSelectionBiasChoosesButDoesNotWeigh) {
  const PhaseSpec phase = Phase(3, 1, Gating::kSigmoid);
  const auto row = Choose(phase, {2, 1, 0}, {0, 0, 1});
  EXPECT_EQ(row[0], 2.0f);
  EXPECT_FLOAT_EQ(row[1], 0.5f);
}

TEST(RouterTest, ScoresThatAreNoNumbersAreChosenLast) {
  const PhaseSpec phase = Phase(3, 2, Gating::kSoftmaxChosen);
  const auto row = Choose(phase, {NAN, 1, 2});
  EXPECT_EQ(row[0], 2.0f);
  EXPECT_EQ(row[2], 1.0f);
}

TEST(RoutingTest, ARowFromElsewhereNamesExpertsThatThereAre) {
  const PhaseSpec phase = Phase(3, 1, Gating::kSoftmax);
  EXPECT_TRUE(RoutingIsValid(phase, std::vector<float>{2, 0.5f, 1}));
  for (const float expert : {3.0f, -1.0f, 0.5f, NAN, INFINITY}) {
    EXPECT_FALSE(RoutingIsValid(phase, std::vector<float>{expert, 0.5f, 1}))
        << expert;
  }
}

TEST(RoutingTest, OnlyRoutedPhasesHaveARow) {
  PhaseSpec phase;
  phase.ffn.emplace();
  EXPECT_EQ(RoutingCols(phase), 0u);
  phase.ffn->scale_gate = "gate";
  EXPECT_EQ(RoutingCols(phase), 1u);
  EXPECT_EQ(RoutingCols(Phase(8, 2, Gating::kSoftmax)), 5u);
}

}  // namespace
}  // namespace shoal::model
