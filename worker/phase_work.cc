#include "worker/phase_work.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "model/dimensions.h"

namespace shoal::worker {
namespace {

using model::UnitLayout;
using parallel::Plan;
using parallel::UnitRange;

using PhaseKey = std::pair<uint32_t, uint32_t>;  // layer, phase

std::map<PhaseKey, std::vector<UnitRange>> RangesByPhase(
    const Plan& plan, const model::UnitTable& units) {
  std::map<PhaseKey, std::vector<UnitRange>> by_phase;
  for (const UnitRange& range : plan.ranges) {
    const base::UnitId& id = units.unit(range.begin).spec.id;
    by_phase[{id.layer, id.phase}].push_back(range);
  }
  return by_phase;
}

void AddRange(const UnitRange& range, const model::UnitTable& units,
              PhaseWork& work) {
  if (work.ranks.empty() || work.ranks.back() != range.rank) {
    work.ranks.push_back(range.rank);
  }
  if (!work.spec->head) return;
  const UnitLayout& last = units.unit(range.end - 1);
  const uint32_t begin = units.unit(range.begin).begin;
  work.slices.push_back({range.rank, begin, last.begin + last.count - begin});
}

PhaseWork MakePhase(const std::vector<UnitRange>& ranges, PhaseWork work,
                    const model::UnitTable& units) {
  for (const UnitRange& range : ranges) AddRange(range, units, work);
  std::sort(work.ranks.begin(), work.ranks.end());
  work.ranks.erase(std::unique(work.ranks.begin(), work.ranks.end()),
                   work.ranks.end());
  return work;
}

}  // namespace

bool PhaseWork::only_hub_makes_inputs() const {
  return spec->routed() || std::any_of(spec->inputs.begin(), spec->inputs.end(),
                                       [](const model::InputSpec& input) {
                                         return !input.projection.empty();
                                       });
}

std::vector<StageWork> WorkOf(const Plan& plan, uint32_t rank,
                              const model::ModelSpec& spec,
                              const model::UnitTable& units,
                              bool f32_activations) {
  auto by_phase = RangesByPhase(plan, units);
  const auto shapes = model::PhaseShapesOf(spec, units, f32_activations);
  uint32_t entry = 0;
  std::vector<StageWork> stages;
  for (const parallel::StagePlan& stage_plan : plan.stages) {
    StageWork stage;
    stage.hub = stage_plan.hub;
    stage.is_head = stage_plan.layer_begin == spec.layer_count();
    stage.entered = stage.hub == rank;
    for (uint32_t layer = stage_plan.layer_begin; layer < stage_plan.layer_end;
         ++layer) {
      for (uint32_t p = 0; p < spec.layers[layer].phases.size(); ++p) {
        PhaseWork work;
        work.layer = layer;
        work.phase = p;
        work.spec = &spec.layers[layer].phases[p];
        work.hub = stage.hub;
        work.shape = shapes[layer][p];
        const auto& ranges = by_phase[{layer, p}];
        work = MakePhase(ranges, std::move(work), units);
        work.entry_begin = entry;
        for (const UnitRange& range : ranges) {
          if (range.rank == rank) entry += range.end - range.begin;
        }
        work.entry_end = entry;
        stage.entered |= work.has_own_units();
        stage.exchanges |=
            std::any_of(work.ranks.begin(), work.ranks.end(),
                        [&](uint32_t other) { return other != stage.hub; });
        stage.phases.push_back(std::move(work));
      }
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

std::vector<uint32_t> PeersOf(const Plan& plan, uint32_t rank,
                              const model::ModelSpec& spec,
                              const model::UnitTable& units) {
  std::set<uint32_t> peers;
  if (rank == 0) {
    for (uint32_t r = 1; r < plan.rank_count(); ++r) peers.insert(r);
  } else {
    peers.insert(0);
  }
  const auto stages = WorkOf(plan, rank, spec, units, false);
  for (size_t s = 0; s < stages.size(); ++s) {
    const StageWork& stage = stages[s];
    if (stage.hub == rank) {
      for (const PhaseWork& work : stage.phases) {
        peers.insert(work.ranks.begin(), work.ranks.end());
      }
      // The residual comes from the hub before and goes to the one after.
      if (s > 0) peers.insert(stages[s - 1].hub);
      if (s + 1 < stages.size()) peers.insert(stages[s + 1].hub);
    } else if (stage.entered) {
      peers.insert(stage.hub);
    }
  }
  peers.erase(rank);
  return {peers.begin(), peers.end()};
}

}  // namespace shoal::worker
