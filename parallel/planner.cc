#include "parallel/planner.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "parallel/apportion.h"
#include "parallel/memory_fit.h"
#include "parallel/placement.h"

namespace shoal::parallel {
namespace {

constexpr uint32_t kChunkTokensWanted = 512;
// Activations and frames may take this part of a budget for the sake of a
// larger chunk.
constexpr uint64_t kChunkBudgetDivisor = 8;
// Where nothing is resident, a larger chunk takes memory from nobody, and a
// long prompt is read for in fewer sweeps.
constexpr uint32_t kStreamChunkTokensWanted = kChunkTokensMax;
constexpr uint64_t kStreamChunkBudgetDivisor = 2;
// Each round takes at least a percent of its share from a rank that is short.
constexpr int kRoundCountMax = 500;
constexpr uint64_t kUnitAlignment = 4096;  // as NeedOf() counts
constexpr double kNoCap = std::numeric_limits<double>::infinity();

// Scales `weights`, each capped, so that they add up to 1: min(cap, x) * weight
// with one x for all. Nothing if the caps do not leave enough.
std::optional<std::vector<double>> Fill(const std::vector<double>& weights,
                                        const std::vector<double>& caps) {
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return caps[a] < caps[b]; });
  double rest = std::accumulate(weights.begin(), weights.end(), 0.0);
  double wanted = 1;
  std::vector<double> result(weights.size(), 0);
  for (const size_t i : order) {
    if (rest <= 0) break;
    // A weight of 0 takes nothing whatever its cap, and the last of the others
    // takes exactly what is left.
    if (weights[i] <= 0) continue;
    const bool last = rest - weights[i] <= 1e-12 * rest;
    const double level = last ? wanted / weights[i] : wanted / rest;
    if (caps[i] < level * (1 - 1e-9)) {
      if (last) return std::nullopt;
      result[i] = caps[i] * weights[i];
    } else {
      result[i] = level * weights[i];
    }
    wanted -= result[i];
    rest -= weights[i];
  }
  return result;
}

class Planner {
 public:
  explicit Planner(const PlanRequest& request)
      : request_(request),
        rank_count_(static_cast<uint32_t>(request.devices.size())) {}

  absl::StatusOr<Plan> Make();

 private:
  absl::Status Check();
  absl::Status SetWeights();
  absl::Status SetMaxShares();
  // The plan for the present caps; nothing if they do not leave enough.
  absl::StatusOr<std::optional<Plan>> Place();
  absl::Status SetStages();
  // Takes units from ranks that are short, until all fit.
  absl::StatusOr<Plan> PlaceWithinMemory(const Plan& wanted);
  std::vector<uint32_t> ShortRanks(const Plan& plan) const;
  struct Units {
    uint64_t count = 0;
    uint64_t bytes = 0;  // padding included
  };
  // What the rank has whatever its share.
  Units PinnedUnits(uint32_t rank) const;
  // Lowers the cap of a rank that is short. Errors: kResourceExhausted
  absl::Status Relieve(const Plan& plan, uint32_t rank);
  absl::Status ChooseChunk(Plan& plan) const;
  void AddNotes(const Plan& wanted, Plan& plan) const;

  MemoryNeed Need(const Plan& plan, uint32_t rank) const {
    return NeedOf(plan, rank, request_.units, request_.dimensions,
                  request_.options);
  }
  bool IsShort(const Plan& plan, uint32_t rank) const {
    const DeviceProfile& device = request_.devices[rank];
    return FloorOf(device, Need(plan, rank), request_.options.weights) >
           BudgetOf(device);
  }

  const PlanRequest& request_;
  const uint32_t rank_count_;
  uint32_t layer_count_ = 0;
  uint32_t stage_count_ = 1;
  uint32_t stage_ranks_ = 1;
  std::vector<double> weights_;  // by rank, with the sum 1
  // What a rank may get at most: of everything, as a multiple of its weight; of
  // its stage's units with KV, as a multiple of its share of the others.
  std::vector<double> caps_;
  std::vector<double> kv_caps_;
  std::vector<double> max_share_caps_;  // caps_ before memory was looked at
  // Of the latest placement.
  std::vector<double> fractions_;  // by rank, with the sum 1
  std::vector<StageShares> stages_;
};

absl::Status Planner::Check() {
  if (rank_count_ == 0 || rank_count_ > kRankCountMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(rank_count_, " devices; allowed: 1 to ", kRankCountMax));
  }
  if (request_.units.empty()) {
    return absl::InvalidArgumentError("the model has no units");
  }
  if (request_.chunk_tokens > kChunkTokensMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a chunk of ", request_.chunk_tokens,
                     " tokens; allowed: 1 to ", kChunkTokensMax));
  }
  layer_count_ = request_.units.back().id.layer;
  const uint32_t tp = request_.tensor_parallel;
  const uint32_t pp = request_.pipeline_parallel;
  stage_count_ = pp > 0 ? pp : 1;
  if (stage_count_ > layer_count_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pp=", stage_count_, " makes ", stage_count_, " stages, but the model ",
        "has only ", layer_count_, " layers; use at most pp=", layer_count_));
  }
  stage_ranks_ = tp > 0 ? tp : rank_count_ / stage_count_;
  if (uint64_t{stage_ranks_} * stage_count_ != rank_count_) {
    return absl::InvalidArgumentError(
        absl::StrCat("tp=", stage_ranks_, ",pp=", stage_count_, " needs ",
                     uint64_t{stage_ranks_} * stage_count_,
                     " devices, but there are ", rank_count_));
  }
  return absl::OkStatus();
}

absl::Status Planner::SetWeights() {
  if (!request_.shares.empty()) {
    if (request_.shares.size() != rank_count_) {
      return absl::InvalidArgumentError(
          absl::StrCat("--shares has ", request_.shares.size(),
                       " numbers, but there are ", rank_count_, " devices"));
    }
    weights_ = request_.shares;
  } else {
    for (const DeviceProfile& device : request_.devices) {
      weights_.push_back(device.work_macs_per_second);
    }
  }
  double sum = 0;
  for (uint32_t r = 0; r < rank_count_; ++r) {
    if (!std::isfinite(weights_[r]) || weights_[r] < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the share of ", RankName(request_, r), " is ",
                       weights_[r], "; it must be 0 or more"));
    }
    if (!request_.devices[r].computes) weights_[r] = 0;
    sum += weights_[r];
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the shares add up to ", sum,
                     "; at least one device must have a share above 0"));
  }
  for (double& weight : weights_) weight /= sum;
  kv_caps_.assign(rank_count_, kNoCap);
  return SetMaxShares();
}

absl::Status Planner::SetMaxShares() {
  caps_.assign(rank_count_, kNoCap);
  double sum = 0;
  for (uint32_t r = 0; r < rank_count_; ++r) {
    const double max_share = request_.devices[r].max_share;
    if (weights_[r] > 0) sum += max_share;
    if (max_share < 1 && weights_[r] > 0) caps_[r] = max_share / weights_[r];
  }
  // Of a sum of 1 a rounding error may be missing.
  if (sum < 1 - 1e-6) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the devices may hold ", sum,
        " of the model at most (max_share), but "
        "all of it must lie somewhere; raise one or add a device"));
  }
  max_share_caps_ = caps_;
  return absl::OkStatus();
}

// Layers are cut in proportion to what the ranks of a stage shall have
// together.
absl::Status Planner::SetStages() {
  std::vector<double> totals;
  for (uint32_t s = 0; s < stage_count_; ++s) {
    const auto begin = fractions_.begin() + s * stage_ranks_;
    totals.push_back(std::accumulate(begin, begin + stage_ranks_, 0.0));
    if (totals.back() <= 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "no device of stage ", s, " (ranks ", s * stage_ranks_, " to ",
          (s + 1) * stage_ranks_ - 1,
          ") may compute; give one a share above 0 or use fewer stages"));
    }
  }
  const std::vector<uint32_t> cuts = CutInProportion(layer_count_, totals);
  stages_.clear();
  uint32_t layer = 0;
  for (uint32_t s = 0; s < stage_count_; ++s) {
    StageShares stage;
    stage.layer_begin = layer;
    stage.layer_end = layer += cuts[s];
    stage.other_units.assign(rank_count_, 0);
    for (uint32_t i = 0; i < stage_ranks_; ++i) {
      const uint32_t rank = s * stage_ranks_ + i;
      stage.other_units[rank] = fractions_[rank] / totals[s];
    }
    stages_.push_back(std::move(stage));
  }
  // The head: hub 0, units on all ranks or on the hub, none of them with KV.
  std::vector<double> head = fractions_;
  if (request_.head == HeadPlacement::kCoordinator) {
    std::fill(head.begin(), head.end(), 0.0);
    head[0] = 1;
  }
  stages_.push_back({layer_count_, layer_count_ + 1, head, head});
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Plan>> Planner::Place() {
  auto fractions = Fill(weights_, caps_);
  if (!fractions) return std::optional<Plan>();
  fractions_ = *std::move(fractions);
  SHOAL_RETURN_IF_ERROR(SetStages());
  Plan plan;
  for (const DeviceProfile& device : request_.devices) {
    plan.device_names.push_back(device.name);
  }
  plan.payload = request_.payload;
  plan.collective = request_.collective;
  plan.chunk_tokens = std::max(request_.chunk_tokens, 1u);
  for (uint32_t s = 0; s <= stage_count_; ++s) {
    StageShares& stage = stages_[s];
    const bool head = s == stage_count_;
    if (!head) {
      auto kv = Fill(stage.other_units, kv_caps_);
      if (!kv) return std::optional<Plan>();
      stage.kv_units = *std::move(kv);
    }
    plan.stages.push_back(
        {head ? 0 : s * stage_ranks_, stage.layer_begin, stage.layer_end});
    const std::vector<UnitRange> ranges = PlaceStage(request_.units, stage);
    plan.ranges.insert(plan.ranges.end(), ranges.begin(), ranges.end());
  }
  return std::optional<Plan>(std::move(plan));
}

Planner::Units Planner::PinnedUnits(uint32_t rank) const {
  Units pinned;
  if (rank != 0 || request_.head != HeadPlacement::kCoordinator) return pinned;
  for (const base::UnitSpec& unit : request_.units) {
    if (unit.id.kind != base::UnitKind::kHead) continue;
    ++pinned.count;
    pinned.bytes += base::AlignUp(unit.bytes, kUnitAlignment);
  }
  return pinned;
}

absl::Status Planner::Relieve(const Plan& plan, uint32_t rank) {
  const DeviceProfile& device = request_.devices[rank];
  const MemoryNeed need = Need(plan, rank);
  const uint64_t excess =
      FloorOf(device, need, request_.options.weights) - BudgetOf(device);
  const bool resident = request_.options.weights == WeightsMode::kResident;
  const Units pinned = PinnedUnits(rank);
  // What goes when the rank gets fewer units.
  const uint64_t movable = need.kv + (resident ? need.share - pinned.bytes : 0);
  if (movable == 0 || excess > movable) {
    return ShortOfMemory(request_, plan, rank);
  }
  double keep = 1 - static_cast<double>(excess) / static_cast<double>(movable);
  keep = std::min(keep, 0.99);
  // Below two units a share is not rounded down any more, so it ends.
  if (resident) {
    const bool end = plan.UnitsOf(rank).size() - pinned.count <= 2;
    caps_[rank] = end ? 0 : fractions_[rank] / weights_[rank] * keep;
    return absl::OkStatus();
  }
  uint32_t kv_units = 0;
  for (const uint32_t unit : plan.UnitsOf(rank)) {
    if (request_.units[unit].kv_elements > 0) ++kv_units;
  }
  const StageShares& stage = stages_[rank / stage_ranks_];
  kv_caps_[rank] =
      kv_units <= 1 ? 0 : stage.kv_units[rank] / stage.other_units[rank] * keep;
  return absl::OkStatus();
}

// The largest shortfall first, so that it is the one an error tells.
std::vector<uint32_t> Planner::ShortRanks(const Plan& plan) const {
  std::vector<std::pair<uint64_t, uint32_t>> gaps;
  for (uint32_t r = 0; r < rank_count_; ++r) {
    const DeviceProfile& device = request_.devices[r];
    const uint64_t floor =
        FloorOf(device, Need(plan, r), request_.options.weights);
    if (floor > BudgetOf(device)) gaps.push_back({floor - BudgetOf(device), r});
  }
  std::stable_sort(gaps.begin(), gaps.end(), [](const auto& a, const auto& b) {
    return a.first > b.first;
  });
  std::vector<uint32_t> ranks;
  for (const auto& [gap, rank] : gaps) ranks.push_back(rank);
  return ranks;
}

absl::StatusOr<Plan> Planner::PlaceWithinMemory(const Plan& wanted) {
  std::optional<Plan> last = wanted;
  for (int round = 0; last && round < kRoundCountMax; ++round) {
    const std::vector<uint32_t> ranks = ShortRanks(*last);
    if (ranks.empty()) return *std::move(last);
    for (const uint32_t rank : ranks) {
      SHOAL_RETURN_IF_ERROR(Relieve(*last, rank));
    }
    SHOAL_ASSIGN_OR_RETURN(last, Place());
  }
  return request_.options.weights == WeightsMode::kResident
             ? FleetTooSmall(request_, wanted)
             : ShortOfMemory(request_, wanted, ShortRanks(wanted)[0]);
}

absl::Status Planner::ChooseChunk(Plan& plan) const {
  if (request_.chunk_tokens > 0) return absl::OkStatus();
  const bool stream = request_.options.weights == WeightsMode::kStream;
  const uint64_t divisor =
      stream ? kStreamChunkBudgetDivisor : kChunkBudgetDivisor;
  for (uint32_t chunk = stream ? kStreamChunkTokensWanted : kChunkTokensWanted;
       chunk > 1; chunk /= 2) {
    if (chunk > request_.options.context_positions) continue;
    plan.chunk_tokens = chunk;
    bool fits = true;
    for (uint32_t r = 0; r < rank_count_ && fits; ++r) {
      const MemoryNeed need = Need(plan, r);
      fits = !IsShort(plan, r) && need.activations + need.transport <=
                                      BudgetOf(request_.devices[r]) / divisor;
    }
    if (fits) return absl::OkStatus();
  }
  plan.chunk_tokens = 1;
  return absl::OkStatus();
}

void Planner::AddNotes(const Plan& wanted, Plan& plan) const {
  for (uint32_t r = 0; r < rank_count_; ++r) {
    if (caps_[r] == max_share_caps_[r] && kv_caps_[r] == kNoCap) continue;
    plan.notes.push_back(
        absl::StrCat(RankName(request_, r), " is short of memory (",
                     base::FormatByteSize(request_.devices[r].budget_bytes),
                     "): ", plan.UnitsOf(r).size(), " units instead of ",
                     wanted.UnitsOf(r).size()));
  }
}

absl::StatusOr<Plan> Planner::Make() {
  SHOAL_RETURN_IF_ERROR(Check());
  SHOAL_RETURN_IF_ERROR(SetWeights());
  SHOAL_ASSIGN_OR_RETURN(const std::optional<Plan> wanted, Place());
  SHOAL_CHECK(wanted, "a placement without caps always exists");
  SHOAL_ASSIGN_OR_RETURN(Plan plan, PlaceWithinMemory(*wanted));
  SHOAL_RETURN_IF_ERROR(ChooseChunk(plan));
  AddNotes(*wanted, plan);
  return plan;
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const PlanRequest& request) {
  return Planner(request).Make();
}

}  // namespace shoal::parallel
