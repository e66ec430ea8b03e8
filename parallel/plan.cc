#include "parallel/plan.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::parallel {
namespace {

using base::UnitKind;
using base::UnitSpec;

absl::Status ValidateStages(const Plan& plan, uint32_t layer_count) {
  uint32_t next = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    if (stage.layer_begin != next || stage.layer_end <= stage.layer_begin) {
      return absl::InvalidArgumentError(
          absl::StrCat("plan: stage ", i, " has layers [", stage.layer_begin,
                       ", ", stage.layer_end, "); it must begin at layer ",
                       next, " and have at least one layer"));
    }
    if (stage.hub >= plan.rank_count()) {
      return absl::InvalidArgumentError(
          absl::StrCat("plan: the hub of stage ", i, " is rank ", stage.hub,
                       "; there are ", plan.rank_count(), " ranks"));
    }
    next = stage.layer_end;
  }
  if (next != layer_count + 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plan: the stages hold layers [0, ", next, "); the model with its ",
        "head has [0, ", layer_count + 1, ")"));
  }
  const StagePlan& head = plan.stages.back();
  if (head.layer_begin != layer_count || head.hub != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: the last stage must be the head alone, layer ",
                     layer_count, ", with hub 0; it is [", head.layer_begin,
                     ", ", head.layer_end, ") with hub ", head.hub));
  }
  return absl::OkStatus();
}

bool SameGroup(const UnitSpec& a, const UnitSpec& b) {
  return a.id.layer == b.id.layer && a.id.phase == b.id.phase &&
         a.id.kind == b.id.kind;
}

absl::Status ValidateRange(const Plan& plan, const UnitRange& range,
                           std::span<const UnitSpec> units) {
  const std::string where =
      absl::StrCat("plan: range [", range.begin, ", ", range.end, ")");
  if (range.begin >= range.end || range.end > units.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " is not within the model's ", units.size(),
                     " units, or empty"));
  }
  if (range.rank >= plan.rank_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " is of rank ", range.rank, "; there are ",
                     plan.rank_count(), " ranks"));
  }
  if (!SameGroup(units[range.begin], units[range.end - 1])) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, " goes from ", base::ToString(units[range.begin].id), " to ",
        base::ToString(units[range.end - 1].id),
        "; a range is of one layer, phase and kind"));
  }
  if (units[range.begin].id.kind == UnitKind::kHub) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " holds a hub unit; every rank keeps those"));
  }
  return absl::OkStatus();
}

absl::Status MissingUnit(const UnitSpec& unit) {
  return absl::InvalidArgumentError(
      absl::StrCat("plan: no rank has ", base::ToString(unit.id)));
}

absl::Status ValidateRanges(const Plan& plan, std::span<const UnitSpec> units) {
  uint32_t next = 0;  // first unit that no range has held so far
  for (const UnitRange& range : plan.ranges) {
    SHOAL_RETURN_IF_ERROR(ValidateRange(plan, range, units));
    if (range.begin < next) {
      return absl::InvalidArgumentError(absl::StrCat(
          "plan: range [", range.begin, ", ", range.end,
          ") begins before unit ", next, ", the end of the range before it"));
    }
    for (; next < range.begin; ++next) {
      if (units[next].id.kind != UnitKind::kHub)
        return MissingUnit(units[next]);
    }
    next = range.end;
  }
  for (; next < units.size(); ++next) {
    if (units[next].id.kind != UnitKind::kHub) return MissingUnit(units[next]);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<uint32_t> Plan::UnitsOf(uint32_t rank) const {
  std::vector<uint32_t> units;
  for (const UnitRange& range : ranges) {
    if (range.rank != rank) continue;
    for (uint32_t i = range.begin; i < range.end; ++i) units.push_back(i);
  }
  return units;
}

uint32_t Plan::StageOf(uint32_t layer) const {
  const auto stage = std::upper_bound(
      stages.begin(), stages.end(), layer,
      [](uint32_t l, const StagePlan& s) { return l < s.layer_end; });
  SHOAL_CHECK(stage != stages.end(), "no stage has layer ", layer);
  return static_cast<uint32_t>(stage - stages.begin());
}

bool KeepsHubUnit(const Plan& plan, uint32_t rank, const base::UnitId& id) {
  if (id.kind != base::UnitKind::kHub) return false;
  return id.index == 0 || plan.stages[plan.StageOf(id.layer)].hub == rank;
}

absl::Status ValidatePlan(const Plan& plan, std::span<const UnitSpec> units) {
  if (plan.device_names.empty() || plan.device_names.size() > kRankCountMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: ", plan.device_names.size(),
                     " ranks; allowed: 1 to ", kRankCountMax));
  }
  if (plan.chunk_tokens == 0 || plan.chunk_tokens > kChunkTokensMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: a chunk of ", plan.chunk_tokens,
                     " tokens; allowed: 1 to ", kChunkTokensMax));
  }
  if (units.empty() || plan.stages.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: ", units.size(), " units in ", plan.stages.size(),
                     " stages; both must be there"));
  }
  SHOAL_RETURN_IF_ERROR(ValidateStages(plan, units.back().id.layer));
  return ValidateRanges(plan, units);
}

}  // namespace shoal::parallel
