#include "parallel/placement.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "parallel/apportion.h"

namespace shoal::parallel {
namespace {

using base::UnitKind;
using base::UnitSpec;

// Units [begin, end) of one layer, phase and kind.
struct Group {
  uint32_t begin = 0;
  uint32_t end = 0;
  size_t column = 0;  // of the stage's table: one per kind
  // Units that stay together: all those of one expert.
  uint32_t granule = 1;

  uint32_t granule_count() const { return (end - begin) / granule; }
};

struct StageGroups {
  std::vector<Group> groups;      // in execution order
  std::vector<UnitKind> columns;  // the kinds that occur
  std::vector<uint32_t> sizes;    // granules of each column
  std::vector<bool> has_kv;       // of each column
};

size_t ColumnOf(const UnitSpec& unit, StageGroups& stage) {
  const auto found =
      std::find(stage.columns.begin(), stage.columns.end(), unit.id.kind);
  if (found != stage.columns.end()) {
    return static_cast<size_t>(found - stage.columns.begin());
  }
  stage.columns.push_back(unit.id.kind);
  stage.sizes.push_back(0);
  stage.has_kv.push_back(unit.kv_elements > 0);
  return stage.columns.size() - 1;
}

StageGroups GroupsOf(std::span<const UnitSpec> units,
                     const StageShares& shares) {
  StageGroups stage;
  for (uint32_t i = 0; i < units.size(); ++i) {
    const base::UnitId& id = units[i].id;
    if (id.kind == UnitKind::kHub || id.layer < shares.layer_begin ||
        id.layer >= shares.layer_end) {
      continue;
    }
    const size_t column = ColumnOf(units[i], stage);
    if (!stage.groups.empty() && stage.groups.back().end == i) {
      const base::UnitId& last = units[i - 1].id;
      if (last.layer == id.layer && last.phase == id.phase &&
          last.kind == id.kind) {
        Group& group = stage.groups.back();
        group.end = i + 1;
        // Experts of a phase are of one size, so the first tells.
        if (id.kind == UnitKind::kExpert && id.expert == 0) ++group.granule;
        continue;
      }
    }
    stage.groups.push_back({i, i + 1, column});
  }
  for (const Group& group : stage.groups) {
    stage.sizes[group.column] += group.granule_count();
  }
  return stage;
}

}  // namespace

std::vector<UnitRange> PlaceStage(std::span<const UnitSpec> units,
                                  const StageShares& shares) {
  const StageGroups stage = GroupsOf(units, shares);
  const size_t rank_count = shares.kv_units.size();
  const size_t column_count = stage.columns.size();
  if (column_count == 0) return {};
  double unit_count = 0;
  for (const uint32_t size : stage.sizes) unit_count += size;
  // At least 1/n of every column, of n units, makes one unit.
  const auto kv = RaiseSmall(shares.kv_units, 1 / unit_count);
  const auto other = RaiseSmall(shares.other_units, 1 / unit_count);
  Table<double> targets(rank_count, std::vector<double>(column_count));
  for (size_t r = 0; r < rank_count; ++r) {
    for (size_t c = 0; c < column_count; ++c) {
      targets[r][c] = (stage.has_kv[c] ? kv : other)[r] * stage.sizes[c];
    }
  }
  const Table<uint32_t> totals = RoundTable(targets);

  std::vector<Table<uint32_t>> counts(column_count);  // [column][group][rank]
  for (size_t c = 0; c < column_count; ++c) {
    std::vector<uint32_t> sizes;
    for (const Group& group : stage.groups) {
      if (group.column == c) sizes.push_back(group.granule_count());
    }
    std::vector<uint32_t> column_totals;
    for (const auto& row : totals) column_totals.push_back(row[c]);
    counts[c] = SpreadEvenly(sizes, column_totals);
  }

  std::vector<UnitRange> ranges;
  std::vector<size_t> group_of_column(column_count, 0);
  for (const Group& group : stage.groups) {
    const size_t number = group_of_column[group.column]++;
    uint32_t next = group.begin;
    for (uint32_t r = 0; r < rank_count; ++r) {
      const uint32_t count = counts[group.column][number][r] * group.granule;
      if (count == 0) continue;
      ranges.push_back({r, next, next + count});
      next += count;
    }
  }
  return ranges;
}

}  // namespace shoal::parallel
