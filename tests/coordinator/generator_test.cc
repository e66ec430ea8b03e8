#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/coordinator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/tokenizer.h"
#include "tests/coordinator/fake_rank.h"
#include "tests/testing/model_files.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One device that does no mathematics: it says after each token the next of a
// script.
class GeneratorTest : public ::testing::Test {
 protected:
  void Load(uint32_t context, uint32_t chunk) {
    parallel::DeviceProfile profile;
    profile.name = "desk";
    profile.budget_bytes = uint64_t{1} << 32;
    CoordinatorOptions options;
    coordinator_ = Coordinator::Create(options, rank_, profile);
    rank_.on_pass = [this](const parallel::Pass& pass,
                           std::span<const float> /*residual*/,
                           std::span<float> logits) {
      std::fill(logits.begin(), logits.end(), 0.0f);
      if (pass.logits_count() == 0) return absl::OkStatus();
      const size_t at = std::min(spoken_++, script_.size() - 1);
      logits[static_cast<size_t>(script_[at])] = 1.0f;
      return absl::OkStatus();
    };
    PlanOptions plan;
    plan.run.context_positions = context;
    plan.chunk_tokens = chunk;
    const absl::Status loaded = coordinator_->LoadModel(path_, plan, nullptr);
    ASSERT_TRUE(loaded.ok()) << loaded;
  }

  static GenerateRequest Greedy(std::vector<int32_t> ids, uint32_t tokens) {
    GenerateRequest request;
    request.prompt = std::move(ids);
    request.max_tokens = tokens;
    request.sampling.temperature = 0;
    request.sampling.repeat_penalty = 1;
    return request;
  }

  // The same model with this chat template.
  void UseTemplate(const std::string& chat_template) {
    const std::string path = folder_.File("chat.gguf");
    const absl::Status copied = testing::CopyModelWith(
        path_, {{"tokenizer.chat_template", chat_template}}, path);
    ASSERT_TRUE(copied.ok()) << copied;
    path_ = path;
  }

  static GenerateRequest Talk(std::vector<model::ChatMessage> messages) {
    GenerateRequest request = Greedy({}, 2);
    request.prompt = Conversation{std::move(messages)};
    return request;
  }

  const testing::TemporaryFolder folder_;
  std::string path_ = std::string(std::getenv("SHOAL_SOURCE_DIR")) +
                      "/models/shoal-stories-3m-q8_0.gguf";
  FakeRank rank_;
  std::vector<int32_t> script_ = {300};
  size_t spoken_ = 0;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(GeneratorTest, EndsAfterTheTokensAskedFor) {
  script_ = {300, 301, 302, 303};
  Load(64, 8);
  const auto result = coordinator_->Generate(Greedy({5, 6}, 3), nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->token_ids, ElementsAre(300, 301, 302));
  EXPECT_EQ(result->finish_reason, FinishReason::kLength);
  EXPECT_EQ(result->prompt_tokens, 2u);
  EXPECT_EQ(result->token_times.size(), 2u);
  // The last token is not run: nobody asked what follows it.
  EXPECT_EQ(rank_.passes().size(), 3u);
}

TEST_F(GeneratorTest, EndsWhereTheModelEndsUnlessToldToIgnoreIt) {
  Load(64, 8);
  const int32_t eos = *coordinator_->tokenizer().eos_id();
  script_ = {300, eos, 301};
  auto result = coordinator_->Generate(Greedy({5}, 5), nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->token_ids, ElementsAre(300));
  EXPECT_EQ(result->finish_reason, FinishReason::kEndOfText);
  spoken_ = 0;
  GenerateRequest request = Greedy({9}, 3);
  request.ignore_eos = true;
  result = coordinator_->Generate(request, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->token_ids, ElementsAre(300, eos, 301));
}

TEST_F(GeneratorTest, EndsAtAStopStringWhichIsNoPartOfTheText) {
  Load(64, 8);
  const auto words = coordinator_->tokenizer().Encode("One day a cat sat. Then",
                                                      {/*add_special=*/false});
  ASSERT_TRUE(words.ok());
  script_ = *words;
  GenerateRequest request = Greedy({5}, 50);
  request.stop = {" sat."};
  std::string streamed;
  const auto result = coordinator_->Generate(
      request, [&](absl::string_view text) { streamed += std::string(text); });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->finish_reason, FinishReason::kStopString);
  EXPECT_THAT(result->text, ::testing::EndsWith("One day a cat"));
  EXPECT_EQ(streamed, result->text);
}

TEST_F(GeneratorTest, EndsWhenTheContextIsFull) {
  Load(4, 8);
  const auto result = coordinator_->Generate(Greedy({5, 6}, 50), nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->finish_reason, FinishReason::kContext);
  EXPECT_EQ(result->token_ids.size(), 3u);  // positions 2, 3, and one unrun
}

TEST_F(GeneratorTest, EndsWhenCancelledAndTheModelStaysLoaded) {
  Load(64, 8);
  std::atomic<bool> cancel = false;
  auto result = coordinator_->Generate(
      Greedy({5}, 50), [&](absl::string_view) { cancel = true; }, &cancel);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->finish_reason, FinishReason::kCancelled);
  EXPECT_LT(result->token_ids.size(), 50u);
  result = coordinator_->Generate(Greedy({5}, 2), nullptr);
  EXPECT_TRUE(result.ok()) << result.status();
}

TEST_F(GeneratorTest, ALongPromptBecomesSeveralPassesAndOnlyTheLastHasLogits) {
  Load(64, 4);
  ASSERT_TRUE(
      coordinator_->Generate(Greedy({1, 2, 3, 4, 5, 6, 7, 8, 9}, 1), nullptr)
          .ok());
  std::vector<uint32_t> positions, counts, logits;
  for (const parallel::Pass& pass : rank_.passes()) {
    ASSERT_EQ(pass.rows.size(), 1u);
    EXPECT_EQ(pass.rows[0].truncate_to, pass.rows[0].first_position);
    positions.push_back(pass.rows[0].first_position);
    counts.push_back(pass.rows[0].token_count);
    logits.push_back(pass.rows[0].logits_count);
  }
  EXPECT_THAT(positions, ElementsAre(0, 4, 8));
  EXPECT_THAT(counts, ElementsAre(4, 4, 1));
  EXPECT_THAT(logits, ElementsAre(0, 0, 1));
}

TEST_F(GeneratorTest, APromptThatGoesOnRunsOnlyItsNewTokens) {
  script_ = {300, 301};
  Load(64, 8);
  ASSERT_TRUE(coordinator_->Generate(Greedy({5, 6}, 2), nullptr).ok());
  const size_t before = rank_.passes().size();
  const auto result =
      coordinator_->Generate(Greedy({5, 6, 300, 301, 7}, 1), nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  // 301 was chosen but never run.
  EXPECT_EQ(result->reused_tokens, 3u);
  EXPECT_EQ(rank_.passes()[before].rows[0].first_position, 3u);
  EXPECT_EQ(rank_.passes()[before].rows[0].token_count, 2u);
}

TEST_F(GeneratorTest, TheSamePromptAgainRunsItsLastToken) {
  Load(64, 8);
  ASSERT_TRUE(coordinator_->Generate(Greedy({5, 6, 7}, 1), nullptr).ok());
  const auto result = coordinator_->Generate(Greedy({5, 6, 7}, 1), nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->reused_tokens, 2u);
  EXPECT_THAT(result->token_ids, ElementsAre(300));
}

TEST_F(GeneratorTest, RefusesWhatCannotRun) {
  Load(4, 8);
  const auto empty = coordinator_->Generate(Greedy({}, 1), nullptr);
  EXPECT_THAT(empty.status().message(), HasSubstr("no tokens"));
  const auto unknown = coordinator_->Generate(Greedy({-1}, 1), nullptr);
  EXPECT_THAT(unknown.status().message(), HasSubstr("-1"));
  const auto large = coordinator_->Generate(Greedy({1 << 30}, 1), nullptr);
  EXPECT_EQ(large.status().code(), absl::StatusCode::kInvalidArgument);
  const auto lengthy =
      coordinator_->Generate(Greedy({1, 2, 3, 4, 5}, 1), nullptr);
  EXPECT_EQ(lengthy.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(lengthy.status().message(), HasSubstr("--ctx"));
  EXPECT_TRUE(rank_.passes().empty());
}

TEST_F(GeneratorTest, AnErrorInAPassNamesTheDeviceAndEndsThePlan) {
  Load(64, 8);
  rank_.on_pass = [](const parallel::Pass&, std::span<const float>,
                     std::span<float>) {
    return absl::DataLossError("unit 3 is torn");
  };
  const auto failed = coordinator_->Generate(Greedy({5}, 1), nullptr);
  EXPECT_EQ(failed.status(),
            absl::DataLossError("desk (rank 0): unit 3 is torn"));
  const auto later = coordinator_->Generate(Greedy({5}, 1), nullptr);
  EXPECT_EQ(later.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(later.status().message(), HasSubstr("unit 3 is torn"));
}

TEST_F(GeneratorTest, RunTokensGivesLogitsOfTheLastRowsInWhateverPasses) {
  Load(64, 4);
  const size_t vocabulary = coordinator_->model().spec.vocabulary;
  // Marks each row with the position it is of.
  rank_.on_pass = [&](const parallel::Pass& pass, std::span<const float>,
                      std::span<float> logits) {
    const parallel::PassRow& row = pass.rows[0];
    EXPECT_EQ(row.session, 3u);
    EXPECT_LE(row.logits_count, 1u);  // run.logits_rows_max
    EXPECT_EQ(logits.size(), row.logits_count * vocabulary);
    if (row.logits_count == 1) {
      logits[0] = static_cast<float>(row.first_position + row.token_count - 1);
    }
    return absl::OkStatus();
  };
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (const uint32_t rows : {0u, 1u, 3u, 9u}) {
    std::vector<float> logits(rows * vocabulary);
    ASSERT_TRUE(coordinator_->RunTokens(ids, 10, 3, rows, logits).ok());
    for (uint32_t row = 0; row < rows; ++row) {
      EXPECT_EQ(logits[row * vocabulary], 19.0f - rows + row) << rows;
    }
  }
}

TEST_F(GeneratorTest, TheResidualIsTheEmbeddingOfTheTokens) {
  Load(64, 4);
  std::vector<std::vector<float>> seen;
  rank_.on_pass = [&](const parallel::Pass&, std::span<const float> residual,
                      std::span<float>) {
    seen.emplace_back(residual.begin(), residual.end());
    return absl::OkStatus();
  };
  const std::vector<int32_t> both = {8, 9}, second = {9};
  ASSERT_TRUE(coordinator_->RunTokens(both, 0, 1, 0, {}).ok());
  ASSERT_TRUE(coordinator_->RunTokens(second, 0, 1, 0, {}).ok());
  const size_t hidden = coordinator_->model().spec.hidden;
  ASSERT_EQ(seen[0].size(), 2 * hidden);
  ASSERT_EQ(seen[1].size(), hidden);
  EXPECT_TRUE(std::equal(seen[1].begin(), seen[1].end(),
                         seen[0].begin() + static_cast<ptrdiff_t>(hidden)));
  EXPECT_GT(*std::max_element(seen[1].begin(), seen[1].end()), 0.0f);
}

TEST_F(GeneratorTest, AConversationIsRenderedAndKeepsWhatItHadInCommon) {
  UseTemplate(
      "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}"
      "{% endfor %}");
  Load(64, 8);
  EXPECT_TRUE(coordinator_->HasChatTemplate().value());
  const auto first =
      coordinator_->Generate(Talk({{"user", "One day"}}), nullptr);
  ASSERT_TRUE(first.ok()) << first.status();
  model::Tokenizer::EncodeOptions options;
  options.parse_special = true;
  const auto ids = coordinator_->tokenizer().Encode("One day</s>", options);
  EXPECT_EQ(first->prompt_tokens, ids->size());
  const auto second = coordinator_->Generate(
      Talk({{"user", "One day"}, {"assistant", "x"}, {"user", "y"}}), nullptr);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->reused_tokens, ids->size());
}

TEST_F(GeneratorTest, AConversationNeedsATemplateThatTakesIt) {
  Load(64, 8);
  EXPECT_FALSE(coordinator_->HasChatTemplate().value());
  auto result = coordinator_->Generate(Talk({{"user", "Hi"}}), nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(result.status())) << result.status();
  UseTemplate(
      "{% if messages[0].role == 'system' %}\n"
      "{{ raise_exception('no system role') }}{% endif %}x");
  Load(64, 8);
  result = coordinator_->Generate(Talk({{"system", "Hi"}}), nullptr);
  EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("line 2: the template refuses: no system role"));
}

TEST_F(GeneratorTest, ABrokenTemplateDoesNotKeepAModelFromLoading) {
  UseTemplate("{% if");
  Load(64, 8);
  EXPECT_TRUE(
      absl::IsInvalidArgument(coordinator_->HasChatTemplate().status()));
  EXPECT_TRUE(coordinator_->Generate(Greedy({5}, 2), nullptr).ok());
}

}  // namespace
}  // namespace shoal::coordinator
