// What one rank does in each phase of a pass, worked out once per plan.

#ifndef SHOAL_WORKER_PHASE_WORK_H_
#define SHOAL_WORKER_PHASE_WORK_H_

#include <cstdint>
#include <vector>

#include "model/architecture.h"
#include "model/phase_input.h"
#include "model/unit_table.h"
#include "parallel/plan.h"

namespace shoal::worker {

// Vocabulary rows [begin, begin + count) of the head on one rank.
struct HeadSlice {
  uint32_t rank = 0;
  uint32_t begin = 0;
  uint32_t count = 0;
};

struct PhaseWork {
  uint32_t layer = 0;
  uint32_t phase = 0;
  const model::PhaseSpec* spec = nullptr;
  uint32_t hub = 0;
  model::PhaseShape shape;        // of the inputs, as its units take them
  std::vector<uint32_t> ranks;    // that have units here, ascending
  std::vector<HeadSlice> slices;  // head only, ascending by `begin`
  uint32_t entry_begin = 0;       // own units: positions in UnitsOf(rank)
  uint32_t entry_end = 0;

  bool has_own_units() const { return entry_begin < entry_end; }
  // The inputs come from the hub whatever the collective: others lack what
  // makes them.
  bool only_hub_makes_inputs() const;
};

// The phases of one stage, in order; `entered` tells whether the rank has
// anything to do in it.
struct StageWork {
  uint32_t hub = 0;
  bool is_head = false;
  bool entered = false;
  bool exchanges = false;  // any rank but the hub has units in it
  std::vector<PhaseWork> phases;
};

// `spec` must outlive the result. REQUIRES: the plan is valid for the units.
std::vector<StageWork> WorkOf(const parallel::Plan& plan, uint32_t rank,
                              const model::ModelSpec& spec,
                              const model::UnitTable& units,
                              bool f32_activations);

// The ranks with which `rank` exchanges frames under this plan, ascending:
// rank 0 (which opens passes), its hubs, and the members of stages where it is
// the hub.
std::vector<uint32_t> PeersOf(const parallel::Plan& plan, uint32_t rank,
                              const model::ModelSpec& spec,
                              const model::UnitTable& units);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_PHASE_WORK_H_
