// Which experts a token goes to, and what else the hub sends with the inputs of
// a routed phase.
//
// A token's routing is a row of floats: (expert, weight) for each expert used,
// then the factor of the shared expert (1 where it has no gate). It travels as
// one more input of the phase (phase_input.h).

#ifndef SHOAL_MODEL_ROUTING_H_
#define SHOAL_MODEL_ROUTING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/architecture.h"

namespace shoal::model {

// Floats of the row. 0: the phase is not routed.
uint32_t RoutingCols(const PhaseSpec& phase);

// Position of the shared expert's factor in the row.
uint32_t ScaleColumn(const PhaseSpec& phase);

// Chooses the experts of one token. Of equal scores the lower number is chosen.
// Threads: thread-compatible (it has scratch).
class Router {
 public:
  // `scores` [count] are the router's products plus its bias, and are used up;
  // `selection_bias` is [count] or empty; fills the first 2 * used floats of
  // `row`. The arithmetic is in double.
  void Choose(const ExpertsSpec& spec, std::span<float> scores,
              std::span<const float> selection_bias, std::span<float> row);

 private:
  std::vector<double> probabilities_;
  std::vector<double> selection_;
  std::vector<uint32_t> order_;
};

// A row that came from another rank. False if an expert number is none.
bool RoutingIsValid(const PhaseSpec& phase, std::span<const float> row);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_ROUTING_H_
