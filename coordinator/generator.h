// Runs tokens and generations on a deployment.

#ifndef SHOAL_COORDINATOR_GENERATOR_H_
#define SHOAL_COORDINATOR_GENERATOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/active_generation.h"
#include "coordinator/deployment.h"
#include "coordinator/generation.h"
#include "coordinator/generation_meter.h"
#include "coordinator/loaded_model.h"
#include "model/embedding.h"
#include "parallel/pass.h"

namespace shoal::coordinator {

// Generations that run at the same time share passes: a pass takes a token of
// each that decodes, and then of prompts what the chunk has room for. So the
// weights are read once for all of them. What each says does not depend on the
// others: a token's bits are the same whatever else is in its pass.
//
// Each has a KV session of its own while it runs. A session keeps its tokens
// afterwards, and a prompt that begins as one of them goes there and runs only
// what is new.
//
// Memory:  embedded tokens of a chunk and logits_rows_max rows of logits,
//          reserved by the constructor.
// Threads: thread-compatible.
class Generator {
 public:
  // `deployment` and `meter` are borrowed and must outlive this; the former
  // has started.
  Generator(std::shared_ptr<const LoadedModel> model, Deployment& deployment,
            GenerationMeter& meter);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // As Coordinator::Generate() and RunTokens().
  absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request,
                                          const TextCallback& on_text,
                                          const std::atomic<bool>* cancel);
  absl::Status RunTokens(std::span<const int32_t> ids, uint32_t first_position,
                         uint32_t session, uint32_t logits_rows,
                         std::span<float> logits);

  // One pass for those of `generations` that are not done. Earlier ones go
  // first where a pass has no room for all. A generation keeps its session from
  // its first step to the step (or Release()) after it is done; `generations`
  // not named for a step just wait.
  // REQUIRES: no more than session_count at a time.
  // Errors: of any rank; the plan is dead then. An error that concerns one
  //         generation is its status().
  absl::Status Step(std::span<ActiveGeneration* const> generations);

  // `generation` will not step again; its session is free for another.
  void Release(const ActiveGeneration& generation);

 private:
  struct Session {
    const ActiveGeneration* user = nullptr;
    std::vector<int32_t> history;  // what its KV holds, while nobody uses it
    uint64_t used = 0;             // number of the pass of its last use
  };
  // A generation's part of a pass.
  struct Part {
    ActiveGeneration* generation = nullptr;
    uint32_t session = 0;
    uint32_t token_count = 0;
  };

  uint32_t SessionOf(ActiveGeneration& generation);
  uint32_t ChooseSession(const std::vector<int32_t>& prompt) const;
  void PlanStep(std::span<ActiveGeneration* const> generations);
  void EmbedParts();
  absl::Status RunPass(std::span<float> logits);
  absl::Status RunRow(std::span<const int32_t> ids, uint32_t position,
                      uint32_t session, uint32_t logits_rows,
                      std::span<float> logits);

  const std::shared_ptr<const LoadedModel> model_;
  Deployment& deployment_;
  GenerationMeter& meter_;
  const uint32_t chunk_tokens_;
  const uint32_t logits_rows_max_;
  std::vector<Session> sessions_;
  std::vector<Part> parts_;      // of the step; its memory is used again
  parallel::Pass pass_;          // likewise
  std::vector<float> residual_;  // [chunk_tokens, hidden]
  std::vector<float> logits_;    // [logits_rows_max, vocabulary]
  model::EmbeddingReader embedding_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_GENERATOR_H_
