// Probabilities of a token and of its rivals.

#ifndef SHOAL_COORDINATOR_TOKEN_LOGPROBS_H_
#define SHOAL_COORDINATOR_TOKEN_LOGPROBS_H_

#include <cstdint>
#include <span>

#include "coordinator/generation.h"
#include "model/tokenizer.h"

namespace shoal::coordinator {

// Of the distribution that `logits` [vocabulary] stand for, before temperature
// and filters, so that it tells what the model thinks and not how it was
// sampled. Of equal logits the lowest id counts as the better one. The sum of
// the exponentials is in double precision.
//
// REQUIRES: 0 <= id < logits.size(); the logits are finite or -infinity, and
//           not all are.
ChoiceLogprobs LogprobsOf(std::span<const float> logits, int32_t id,
                          uint32_t top_count,
                          const model::Tokenizer& tokenizer);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_TOKEN_LOGPROBS_H_
