#include "coordinator/plan_grid.h"

#include <map>
#include <utility>

namespace shoal::coordinator {

PlanGrid GridOf(const parallel::Plan& plan,
                std::span<const base::UnitSpec> units) {
  struct Entry {
    GridCell cell;
    uint64_t work_macs = 0;
  };
  std::map<std::pair<uint32_t, uint32_t>, Entry> entries;
  std::vector<uint64_t> stage_work(plan.stages.size());
  const auto entry_of = [&entries](uint32_t stage, uint32_t rank) -> Entry& {
    Entry& entry = entries[{stage, rank}];
    entry.cell.stage = stage;
    entry.cell.rank = rank;
    return entry;
  };
  for (uint32_t s = 0; s < plan.stages.size(); ++s) {
    entry_of(s, plan.stages[s].hub).cell.is_hub = true;
  }
  for (const parallel::UnitRange& range : plan.ranges) {
    const uint32_t stage = plan.StageOf(units[range.begin].id.layer);
    Entry& entry = entry_of(stage, range.rank);
    entry.cell.unit_count += range.end - range.begin;
    for (uint32_t unit = range.begin; unit < range.end; ++unit) {
      entry.cell.bytes += units[unit].bytes;
      entry.work_macs += units[unit].work_macs;
      stage_work[stage] += units[unit].work_macs;
    }
  }
  PlanGrid grid;
  grid.main_stage.resize(plan.rank_count());
  std::vector<uint64_t> most(plan.rank_count());
  for (auto& [key, entry] : entries) {
    const auto& [stage, rank] = key;
    if (stage_work[stage] > 0) {
      entry.cell.share = static_cast<double>(entry.work_macs) /
                         static_cast<double>(stage_work[stage]);
    }
    // The head's work comes after that of all other stages, on any rank.
    const bool is_head = stage + 1 == plan.stages.size();
    if (entry.work_macs > most[rank] && !(is_head && most[rank] > 0)) {
      most[rank] = entry.work_macs;
      grid.main_stage[rank] = stage;
    }
    grid.cells.push_back(entry.cell);
  }
  return grid;
}

}  // namespace shoal::coordinator
