// One generation in progress: the tokens to run next, and what came of them.

#ifndef SHOAL_COORDINATOR_ACTIVE_GENERATION_H_
#define SHOAL_COORDINATOR_ACTIVE_GENERATION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/generation.h"
#include "coordinator/loaded_model.h"
#include "model/detokenizer.h"
#include "model/sampler.h"
#include "model/stop_matcher.h"

namespace shoal::coordinator {

// Begins with the prompt as tokens that are to run. Whoever runs them says so
// (Ran()); after the last of them the next token is chosen (Choose()), which
// then is the one that is to run, until the generation is done.
//
// Memory:  ids and times, reserved by Create() for the whole of it; of the
//          sampler 8 bytes per vocabulary entry, from the first choice on, so
//          that those who wait for their turn take little.
// Threads: thread-compatible.
class ActiveGeneration {
 public:
  // Errors: as Coordinator::Generate(), those of the request.
  static absl::StatusOr<std::unique_ptr<ActiveGeneration>> Create(
      std::shared_ptr<const LoadedModel> model, uint32_t context_positions,
      const GenerateRequest& request);

  // What the time to the first token counts from; Create() sets it to now.
  void SetStart(absl::Time start) { last_token_ = start; }

  // Prompt and what was generated, so far.
  const std::vector<int32_t>& ids() const { return ids_; }
  uint32_t prompt_count() const { return result_.prompt_tokens; }

  // Tokens to run before the next can be chosen; at least one until done().
  std::span<const int32_t> pending() const {
    return std::span(ids_).subspan(ran_count_);
  }
  // The position of pending()[0]: so many tokens are in the KV cache.
  uint32_t ran_count() const { return ran_count_; }

  // The KV cache has the first `count` tokens already.
  // REQUIRES: nothing ran yet, or since Restart(); count < ids().size().
  void Reuse(uint32_t count);

  // The KV cache is lost, as with a plan: all tokens are to run again, and then
  // it goes on as if nothing had been.
  void Restart();
  // Whether it was restarted after tokens had run.
  bool is_moved() const { return is_moved_; }

  // The first `count` of pending() ran. REQUIRES: count <= pending().size().
  void Ran(uint32_t count);

  // `logits` [vocabulary] of the last token. An error of the sampler ends it.
  // REQUIRES: !done(); nothing is pending.
  void Choose(std::span<const float> logits);

  // Ends it with what there is; nothing if it is done.
  void Cancel();
  void Fail(absl::Status why);

  // When the last token was chosen; before the first, the start.
  absl::Time last_token() const { return last_token_; }

  bool done() const { return done_; }
  // Not OK: it failed, and there is no result.
  const absl::Status& status() const { return status_; }
  // Grows until done(); finish_reason is right then.
  const GenerateResult& result() const { return result_; }
  // REQUIRES: done(). Once.
  absl::StatusOr<GenerateResult> TakeResult();

 private:
  ActiveGeneration(std::shared_ptr<const LoadedModel> model,
                   uint32_t context_positions, const GenerateRequest& request,
                   std::vector<int32_t> prompt, model::StopMatcher stop);

  absl::StatusOr<int32_t> Sample(std::span<const float> choices);

  void NoteTime();
  void AddText(int32_t id);
  void Finish(FinishReason reason);

  const std::shared_ptr<const LoadedModel> model_;
  const uint32_t context_positions_;
  const uint32_t token_count_max_;
  const bool ignore_eos_;
  const bool dump_prompt_logits_;
  const std::optional<uint32_t> top_logprobs_;
  const model::SamplingParameters sampling_;

  std::vector<int32_t> ids_;
  uint32_t ran_count_ = 0;
  std::optional<model::Sampler> sampler_;
  model::StreamDetokenizer detokenizer_;
  model::StopMatcher stop_;
  absl::Time last_token_;  // when it was chosen, or the start
  std::string piece_;      // scratch
  bool is_moved_ = false;
  bool done_ = false;
  absl::Status status_;
  GenerateResult result_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_ACTIVE_GENERATION_H_
