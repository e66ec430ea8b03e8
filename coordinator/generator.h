// Runs tokens and generations on a deployment.

#ifndef SHOAL_COORDINATOR_GENERATOR_H_
#define SHOAL_COORDINATOR_GENERATOR_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/deployment.h"
#include "coordinator/generation.h"
#include "coordinator/loaded_model.h"
#include "model/embedding.h"

namespace shoal::coordinator {

// Memory:  embedded tokens of a chunk and one row of logits, reserved by the
//          constructor.
// Threads: thread-compatible.
class Generator {
 public:
  // Both are borrowed and must outlive this. `deployment` has started.
  Generator(const LoadedModel& model, Deployment& deployment);

  // As Coordinator::Generate() and RunTokens().
  absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request,
                                          const TextCallback& on_text,
                                          const std::atomic<bool>* cancel);
  absl::Status RunTokens(std::span<const int32_t> ids, uint32_t first_position,
                         uint32_t session, uint32_t logits_rows,
                         std::span<float> logits);

 private:
  struct Output;  // of one generation: the text side

  absl::StatusOr<std::vector<int32_t>> PromptIds(
      const GenerateRequest& request) const;
  absl::Status CheckIds(std::span<const int32_t> ids,
                        uint32_t first_position) const;
  absl::Status RunPass(std::span<const int32_t> ids, uint32_t position,
                       uint32_t session, uint32_t logits_rows,
                       std::span<float> logits);
  // The prompt from `begin` on. False: cancelled.
  absl::StatusOr<bool> Prefill(std::span<const int32_t> ids, uint32_t begin,
                               const std::atomic<bool>* cancel);
  absl::Status Decode(const GenerateRequest& request, Output& output,
                      const std::atomic<bool>* cancel);

  const LoadedModel& model_;
  Deployment& deployment_;
  const uint32_t chunk_tokens_;
  uint64_t pass_number_ = 0;
  // What the KV of session 0 holds: a prompt that begins so is not run again.
  std::vector<int32_t> history_;
  std::vector<float> residual_;  // [chunk_tokens, hidden]
  std::vector<float> logits_;    // [vocabulary]
  model::EmbeddingReader embedding_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_GENERATOR_H_
