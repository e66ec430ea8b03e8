#include "coordinator/token_logprobs.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/gguf.h"

namespace shoal::coordinator {
namespace {

class TokenLogprobsTest : public ::testing::Test {
 protected:
  TokenLogprobsTest() {
    const auto header = model::GgufHeader::ReadFile(
        std::string(std::getenv("SHOAL_SOURCE_DIR")) +
        "/models/shoal-stories-3m-q8_0.gguf");
    tokenizer_ = model::Tokenizer::Create(*header).value();
  }
  std::unique_ptr<model::Tokenizer> tokenizer_;
};

TEST_F(TokenLogprobsTest, ProbabilitiesAddUpToOne) {
  std::vector<float> logits(300);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = 100.0f + static_cast<float>(i % 17);
  }
  double sum = 0;
  for (int32_t id = 0; id < 300; ++id) {
    sum += std::exp(LogprobsOf(logits, id, 0, *tokenizer_).chosen.logprob);
  }
  EXPECT_NEAR(sum, 1, 300 * 1e-7);
}

TEST_F(TokenLogprobsTest, TheBestComeInOrderAndOfEqualOnesTheLowestId) {
  const std::vector<float> logits = {0, 3, 1, 3, 2, 1};
  const ChoiceLogprobs choice = LogprobsOf(logits, 2, 4, *tokenizer_);
  EXPECT_EQ(choice.chosen.id, 2);
  ASSERT_EQ(choice.top.size(), 4u);
  EXPECT_EQ(choice.top[0].id, 1);
  EXPECT_EQ(choice.top[1].id, 3);
  EXPECT_EQ(choice.top[2].id, 4);
  EXPECT_EQ(choice.top[3].id, 2);
  EXPECT_EQ(choice.top[3].logprob, choice.chosen.logprob);
  EXPECT_FLOAT_EQ(choice.top[0].logprob - choice.chosen.logprob, 2.0f);
}

TEST_F(TokenLogprobsTest, WhatCannotBeHasAFiniteLogarithm) {
  const std::vector<float> logits = {0,
                                     -std::numeric_limits<float>::infinity()};
  EXPECT_EQ(LogprobsOf(logits, 1, 2, *tokenizer_).chosen.logprob, -9999.0f);
  EXPECT_EQ(LogprobsOf(logits, 0, 5, *tokenizer_).top.size(), 2u);
}

TEST_F(TokenLogprobsTest, ATokenHasItsBytes) {
  const auto ids = tokenizer_->Encode("cat", {/*add_special=*/false});
  std::vector<float> logits(static_cast<size_t>(tokenizer_->vocab_size()));
  const auto choice = LogprobsOf(logits, ids->back(), 0, *tokenizer_);
  EXPECT_FALSE(choice.chosen.bytes.empty());
  EXPECT_EQ(choice.chosen.bytes.back(), 't');
}

}  // namespace
}  // namespace shoal::coordinator
