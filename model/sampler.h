// Chooses the next token from logits.

#ifndef SHOAL_MODEL_SAMPLER_H_
#define SHOAL_MODEL_SAMPLER_H_

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::model {

// The steps are taken in the order of the fields. Each but the last works on
// what the ones before have left.
struct SamplingParameters {
  // The logit of a token among the last `repeat_window` ones is divided by
  // this if positive, else multiplied. 1 is off. (0, 100].
  double repeat_penalty = 1.0;
  uint32_t repeat_window = 64;  // tokens, prompt included; 0 is off. <= 2^20.
  uint32_t top_k = 0;           // keeps the k best; 0 is off.
  // Keeps the best tokens that together have at least this probability (before
  // temperature). 1 is off. (0, 1].
  double top_p = 1.0;
  // Keeps tokens of at least this share of the best one's probability (before
  // temperature). 0 is off. [0, 1].
  double min_p = 0.0;
  // Divides the logits; 0 takes the best token, without chance. [0, 100].
  double temperature = 0.8;
  uint64_t seed = 0;

  // Errors: kInvalidArgument  outside its range; names field, value and range
  absl::Status Validate() const;
};

// Of equal logits, the lowest id counts as the better one.
//
// Chance:   std::mt19937_64 started with the seed; one number per drawn token,
//           its upper 53 bits a fraction of 1 that is laid along the kept
//           tokens in the order of their ids. So a filter that keeps all does
//           not change what is drawn, and neither does the platform (but for
//           the last bit of exp()).
// Memory:   8 bytes per vocabulary entry; Sample() does not allocate.
// Threads:  thread-compatible. A copy goes on from the same state.
class Sampler {
 public:
  // REQUIRES: vocab_size > 0.
  // Errors: kInvalidArgument  SamplingParameters::Validate()
  static absl::StatusOr<Sampler> Create(const SamplingParameters& parameters,
                                        int32_t vocab_size);

  // Chooses from `logits` [vocab_size]; does not Accept() the choice.
  // REQUIRES: logits.size() == vocab_size.
  // Errors: kInternal  a logit is not a number or +infinity, or all are
  //                    -infinity; the message names the first
  absl::StatusOr<int32_t> Sample(std::span<const float> logits);

  // Tells the repetition window of a token: each of the prompt, and each that
  // was chosen.
  // REQUIRES: 0 <= id < vocab_size.
  void Accept(int32_t id);

  const SamplingParameters& parameters() const { return parameters_; }

 private:
  struct Candidate {
    float logit = 0;
    int32_t id = 0;
  };

  Sampler(const SamplingParameters& parameters, int32_t vocab_size);

  bool penalises() const;
  static bool Better(const Candidate& a, const Candidate& b);
  void FillCandidates(std::span<const float> logits);
  void KeepTopK();
  void KeepTopP();
  void KeepMinP();
  int32_t Draw();

  SamplingParameters parameters_;
  int32_t vocab_size_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;
  std::vector<int32_t> window_;  // a ring of the last repeat_window ids
  size_t window_next_ = 0;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SAMPLER_H_
