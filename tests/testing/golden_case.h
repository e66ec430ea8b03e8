// The reference models and their logits: those of tests/e2e/data, and of
// SHOAL_GOLDEN_DIR where that is set.

#ifndef SHOAL_TESTS_TESTING_GOLDEN_CASE_H_
#define SHOAL_TESTS_TESTING_GOLDEN_CASE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shoal::testing {

struct GoldenPrompt {
  std::vector<int32_t> tokens;
  std::vector<int32_t> greedy;         // 24 tokens of argmax continuation
  std::vector<float> greedy_margin;    // top 1 - top 2, in logits
  std::vector<float> last_logits_f64;  // [vocabulary], float64 evaluation
  std::vector<float> final_step_logits_f64;
};

struct GoldenCase {
  std::string name;
  std::string family;
  std::string types;  // of the weights: "Q4_K Q6_K"
  std::string model_path;
  uint32_t vocabulary = 0;
  bool quantized = false;  // some weights are neither F32 nor F16 nor BF16
  double noise_rms = 0;    // of the reference, against the float64 evaluation
  double noise_max = 0;
  std::vector<GoldenPrompt> prompts;
};

// Nothing if SHOAL_GOLDEN_DIR is not set.
std::optional<std::string> GoldenDirectory();

// All cases, of both folders: those of the repository (by name), then those of
// SHOAL_GOLDEN_DIR that it lacks, in the order of their index.
std::vector<std::string> GoldenNames();

// A case of one of the two.
GoldenCase LoadGolden(const std::string& name);

struct Difference {
  double rms = 0;
  double max = 0;
};
Difference Compare(const std::vector<float>& a, const std::vector<float>& b);

int32_t ArgMax(const std::vector<float>& logits);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_GOLDEN_CASE_H_
