// Every family and weight type against the reference logits, on one rank.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "kernels/kernel_table.h"
#include "tests/testing/golden_case.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal {
namespace {

using testing::Compare;
using testing::Difference;
using testing::FleetOptions;
using testing::GoldenCase;
using testing::GoldenPrompt;
using testing::InProcessFleet;

struct Outcome {
  Difference last;
  Difference final_step;
  size_t flips = 0;       // greedy tokens that differ
  float flip_margin = 0;  // the largest margin of one that does
};

using Outcomes = std::vector<Outcome>;  // by prompt

// The root mean square over all positions that have reference logits.
double RmsOf(const Outcomes& outcomes) {
  double square_sum = 0;
  for (const Outcome& outcome : outcomes) {
    for (const Difference& d : {outcome.last, outcome.final_step}) {
      square_sum += d.rms * d.rms;
    }
  }
  return std::sqrt(square_sum / (2.0 * static_cast<double>(outcomes.size())));
}

// Feeds the reference's own tokens (teacher forcing), so that one flip does
// not change all that follows.
absl::StatusOr<Outcome> Evaluate(InProcessFleet& fleet,
                                 const GoldenPrompt& prompt) {
  Outcome outcome;
  auto logits = fleet.Evaluate(prompt.tokens, 0, 1);
  if (!logits.ok()) return logits.status();
  outcome.last = Compare(*logits, prompt.last_logits_f64);
  for (size_t step = 0; step < prompt.greedy.size(); ++step) {
    if (testing::ArgMax(*logits) != prompt.greedy[step]) {
      ++outcome.flips;
      outcome.flip_margin =
          std::max(outcome.flip_margin, prompt.greedy_margin[step]);
    }
    if (step + 1 == prompt.greedy.size()) break;
    const auto position = static_cast<uint32_t>(prompt.tokens.size() + step);
    logits = fleet.Evaluate(std::span(&prompt.greedy[step], 1), position, 1);
    if (!logits.ok()) return logits.status();
  }
  outcome.final_step = Compare(*logits, prompt.final_step_logits_f64);
  return outcome;
}

class GoldenModelsTest : public ::testing::TestWithParam<absl::string_view> {
 protected:
  // Calls `check` for every case, and prints a table of what came out.
  template <typename Check>
  void ForEachCase(FleetOptions options, Check check) {
    options.run.context_positions = 256;  // as the references ran
    std::printf("%-32s %-12s %-18s %10s %10s %s\n", "case", "family", "types",
                "rms", "max", "greedy tokens that differ");
    size_t checked = 0;
    for (const std::string& name : testing::GoldenNames()) {
      const GoldenCase golden = testing::LoadGolden(name);
      options.store_root = StoreOf(name);
      auto fleet = InProcessFleet::Create(golden.model_path, options);
      ASSERT_TRUE(fleet.ok()) << name << ": " << fleet.status();
      ++checked;
      std::vector<Outcome> outcomes;
      for (const GoldenPrompt& prompt : golden.prompts) {
        auto outcome = Evaluate(**fleet, prompt);
        ASSERT_TRUE(outcome.ok()) << name << ": " << outcome.status();
        outcomes.push_back(*outcome);
      }
      Print(golden, outcomes);
      check(golden, outcomes);
    }
    EXPECT_GE(checked, testing::GoldenDirectory() ? 80u : 3u);
  }

 private:
  // The tests of one instruction set share the stores: units that have been
  // written once are not waited for again.
  static std::string StoreOf(const std::string& name) {
    static const testing::TemporaryFolder folder;
    return folder.File(absl::StrCat(GetParam(), "-", name));
  }
  static void Print(const GoldenCase& golden, const Outcomes& outcomes) {
    Difference worst;
    size_t flips = 0;
    for (const Outcome& outcome : outcomes) {
      for (const Difference& d : {outcome.last, outcome.final_step}) {
        worst.rms = std::max(worst.rms, d.rms);
        worst.max = std::max(worst.max, d.max);
      }
      flips += outcome.flips;
    }
    std::printf("%-32s %-12s %-18s %10.2e %10.2e %zu\n", golden.name.c_str(),
                golden.family.c_str(), golden.types.c_str(), worst.rms,
                worst.max, flips);
  }
};

TEST_P(GoldenModelsTest, FloatActivationsGiveTheFloat64LogitsAndGreedyTokens) {
  FleetOptions options;
  options.isa = std::string(GetParam());
  options.run.f32_activations = true;
  options.run.kv = parallel::KvFormat::kF32;
  ForEachCase(options, [](const GoldenCase& golden, const Outcomes& outcomes) {
    for (const Outcome& outcome : outcomes) {
      EXPECT_LE(outcome.last.rms, 2e-5) << golden.name;
      EXPECT_LE(outcome.final_step.rms, 2e-5) << golden.name;
      EXPECT_EQ(outcome.flips, 0u) << golden.name;
    }
  });
}

// The references' tolerances for engines that quantise activations: 1.5 times
// the reference's own noise in RMS (which is a mean over positions, hence ours
// too), 2 times in the maximum; a step may flip where the margin is below 5
// times the noise. Their noise for float weights comes from rounding that we
// do not do; an F16 cache has 3e-3 of its own.
TEST_P(GoldenModelsTest, QuantizedActivationsStayWithinTheReferencesNoise) {
  FleetOptions options;
  options.isa = std::string(GetParam());
  ForEachCase(options, [](const GoldenCase& golden, const Outcomes& outcomes) {
    double max = 0;
    for (const Outcome& outcome : outcomes) {
      for (const Difference& d : {outcome.last, outcome.final_step}) {
        if (!(d.max <= max)) max = d.max;
      }
      EXPECT_LE(outcome.flip_margin, 5 * std::max(golden.noise_rms, 3e-3))
          << golden.name;
    }
    EXPECT_LE(RmsOf(outcomes), std::max(1.5 * golden.noise_rms, 3e-3))
        << golden.name;
    EXPECT_LE(max, std::max(2.0 * golden.noise_max, 2e-2)) << golden.name;
  });
}

// Of normally distributed numbers of deviation 1, rounding to f16 is off by
// 2^-12 / sqrt(3) of each or 1.7e-4 in the mean; q8 by a 127th of the largest
// of 32, which is 2.1, over sqrt(12): 4.8e-3, 28 times as much. Twice that is
// allowed, since a case has a few positions only.
TEST_P(GoldenModelsTest, KeysAndValuesInQ8CostWhatTheirRoundingDoes) {
  FleetOptions options;
  options.isa = std::string(GetParam());
  options.run.f32_activations = true;
  std::map<std::string, double> f16;
  ForEachCase(options, [&](const GoldenCase& golden, const Outcomes& outcomes) {
    f16[golden.name] = RmsOf(outcomes);
  });
  options.run.kv = parallel::KvFormat::kQ8;
  ForEachCase(options, [&](const GoldenCase& golden, const Outcomes& outcomes) {
    EXPECT_LE(RmsOf(outcomes), 56 * f16[golden.name]) << golden.name;
    EXPECT_GT(RmsOf(outcomes), 2 * f16[golden.name]) << golden.name;
    for (const Outcome& outcome : outcomes) {
      EXPECT_LE(outcome.flip_margin, 5 * RmsOf(outcomes)) << golden.name;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Isas, GoldenModelsTest,
                         ::testing::ValuesIn(kernels::AvailableIsas()));

}  // namespace
}  // namespace shoal
