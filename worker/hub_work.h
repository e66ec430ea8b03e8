// What a hub does between the exchanges of a phase: it makes the inputs from
// the residual, and puts the sum of the results onto it.

#ifndef SHOAL_WORKER_HUB_WORK_H_
#define SHOAL_WORKER_HUB_WORK_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/activations.h"
#include "kernels/kernel_table.h"
#include "model/routing.h"
#include "parallel/plan.h"
#include "worker/loaded_rank.h"
#include "worker/phase_work.h"

namespace shoal::worker {

// Under the plain star every rank makes inputs, as far as norms go.
// Threads: thread-compatible; spreads matrices over the rank's team.
class HubWork {
 public:
  // Borrowed.
  explicit HubWork(LoadedRank& rank);

  // Encodes the inputs of tokens [begin, begin + residual rows) into the
  // rank's PhaseInput. `residual` is [count, hidden].
  // REQUIRES: PhaseInput::Begin() was called with the phase's shape.
  void MakeInputs(const PhaseWork& work, uint32_t begin,
                  std::span<const float> residual);

  // Adds partial sums (parallel/reduce.h) and the phase's biases, norms the
  // sum where the phase says so, and puts it onto `residual` [count, hidden].
  void AddResults(const PhaseWork& work, parallel::Payload payload,
                  std::span<const std::byte* const> parts,
                  std::span<float> residual);

 private:
  // Returns `row` itself where there is no norm.
  const float* Norm(const model::NormSpec& spec, std::span<const float> weight,
                    std::span<const float> bias, const float* row,
                    uint32_t count, float* to);
  void Project(const PhaseWork& work, uint32_t input, uint32_t begin,
               uint32_t count);
  void Route(const PhaseWork& work, uint32_t begin, uint32_t count);
  // products_ [count, rows] := matrix x the normed rows.
  void Multiply(const kernels::WeightMatrix& matrix, uint32_t count);
  std::span<const float> Vector(const PhaseWork& work, model::PartRole role,
                                uint32_t slot = 0) const;

  LoadedRank& rank_;
  const uint32_t hidden_;
  model::Router router_;
  std::vector<float> normed_;    // [tokens, hidden] of the present input
  std::vector<float> products_;  // [tokens, rows] of a projection or router
  std::vector<float> routing_;   // a row
  std::vector<float> sum_;       // [tokens, hidden] before the output norm
  std::optional<kernels::ActivationBuffer> encoded_;  // for a8 projections
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_HUB_WORK_H_
