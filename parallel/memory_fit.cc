#include "parallel/memory_fit.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"

namespace shoal::parallel {
namespace {

using base::FormatByteSize;

// A floor rests on what a process takes when it has started, which differs from
// start to start by up to 150 KiB (pages of libraries that the system maps
// around those touched). What a message names works at the next start, too.
constexpr uint64_t kStartSpreadBytes = 256 * base::kKiB;

// Sizes that a user will type again are rounded up to whole MiB.
std::string AsFlag(uint64_t bytes) {
  return absl::StrCat(base::AlignUp(bytes, base::kMiB) / base::kMiB, "MiB");
}

bool Fits(const PlanRequest& request, const Plan& plan, uint32_t rank,
          const RunOptions& options) {
  const DeviceProfile& device = request.devices[rank];
  const MemoryNeed need =
      NeedOf(plan, rank, request.units, request.dimensions, options);
  return FloorOf(device, need, options.weights) <= device.budget_bytes;
}

// The longest context, in whole KV pages, with which the rank would fit; 0 if
// none would.
uint32_t ContextThatFits(const PlanRequest& request, const Plan& plan,
                         uint32_t rank, RunOptions options) {
  constexpr uint32_t kStep = 32;
  uint32_t fitting = 0;
  uint32_t beyond = options.context_positions / kStep + 1;
  while (beyond - fitting > 1) {
    const uint32_t middle = fitting + (beyond - fitting) / 2;
    options.context_positions = middle * kStep;
    (Fits(request, plan, rank, options) ? fitting : beyond) = middle;
  }
  return fitting * kStep;
}

// Flags with which less KV would fit: a smaller format if it is enough, or a
// shorter context in the format at hand and, where that is longer, in q8.
std::vector<std::string> WaysToLessKv(const PlanRequest& request,
                                      const Plan& plan, uint32_t rank) {
  RunOptions options = request.options;
  std::vector<std::string> ways;
  const uint32_t positions = ContextThatFits(request, plan, rank, options);
  if (positions > 0) ways.push_back(absl::StrCat("use --ctx ", positions));
  if (options.kv == KvFormat::kF32) {
    options.kv = KvFormat::kF16;
    if (Fits(request, plan, rank, options)) {
      ways.push_back("use --kv f16");
      return ways;
    }
  }
  if (options.kv == KvFormat::kQ8) return ways;
  options.kv = KvFormat::kQ8;
  if (Fits(request, plan, rank, options)) {
    ways.push_back("use --kv q8");
    return ways;
  }
  const uint32_t in_q8 = ContextThatFits(request, plan, rank, options);
  if (in_q8 > positions) {
    ways.push_back(absl::StrCat("use --kv q8 --ctx ", in_q8));
  }
  return ways;
}

}  // namespace

std::string RankName(const PlanRequest& request, uint32_t rank) {
  return absl::StrCat("rank ", rank, " (", request.devices[rank].name, ")");
}

uint64_t BudgetOf(const DeviceProfile& device) {
  return device.budget_bytes == 0 ? std::numeric_limits<uint64_t>::max()
                                  : device.budget_bytes;
}

uint64_t FloorOf(const DeviceProfile& device, const MemoryNeed& need,
                 WeightsMode weights) {
  uint64_t bytes = 0;
  switch (weights) {
    case WeightsMode::kResident:
      bytes = need.share;
      break;
    case WeightsMode::kStream:
      bytes = need.window_min;
      break;
    case WeightsMode::kAuto:
      bytes = std::min(need.share, need.window_min);
      break;
  }
  return device.fixed_bytes + need.base() + bytes;
}

absl::Status ShortOfMemory(const PlanRequest& request, const Plan& plan,
                           uint32_t rank) {
  const DeviceProfile& device = request.devices[rank];
  const RunOptions& options = request.options;
  const MemoryNeed need =
      NeedOf(plan, rank, request.units, request.dimensions, options);
  const uint64_t exact = FloorOf(device, need, options.weights);
  const uint64_t weights = exact - device.fixed_bytes - need.base();
  const uint64_t floor = exact + kStartSpreadBytes;
  std::vector<std::string> ways = {
      absl::StrCat("give it --memory ", AsFlag(floor))};
  for (std::string& way : WaysToLessKv(request, plan, rank)) {
    ways.push_back(std::move(way));
  }
  if (options.weights == WeightsMode::kResident) {
    ways.push_back("use --weights auto");
  }
  if (plan.chunk_tokens > 1) ways.push_back("use a smaller --chunk");
  if (request.devices.size() > 1) {
    ways.push_back("give it a smaller part with --shares");
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      RankName(request, rank), " has a budget of ",
      FormatByteSize(device.budget_bytes), " but its floor is ",
      FormatByteSize(floor), " (", floor, " bytes: program ",
      FormatByteSize(device.fixed_bytes + kStartSpreadBytes), ", KV ",
      FormatByteSize(need.kv), ", activations ",
      FormatByteSize(need.activations), ", transport ",
      FormatByteSize(need.transport), ", norms ",
      FormatByteSize(need.hub_units),
      options.weights == WeightsMode::kResident ? ", weights " : ", window ",
      FormatByteSize(weights), "); ",
      FormatByteSize(floor - device.budget_bytes),
      " are missing: ", absl::StrJoin(ways, ", or ")));
}

absl::Status FleetTooSmall(const PlanRequest& request, const Plan& plan) {
  uint64_t held = 0;
  uint64_t wanted = 0;
  uint64_t largest_gap = 0;
  uint32_t shortest = 0;
  for (uint32_t r = 0; r < plan.rank_count(); ++r) {
    const DeviceProfile& device = request.devices[r];
    const MemoryNeed need =
        NeedOf(plan, r, request.units, request.dimensions, request.options);
    const uint64_t without = device.fixed_bytes + need.base();
    const uint64_t budget = BudgetOf(device);
    wanted += need.share;
    held += std::min(need.share, budget - std::min(budget, without));
    const uint64_t floor = FloorOf(device, need, WeightsMode::kResident);
    const uint64_t gap = floor - std::min(budget, floor);
    if (gap > largest_gap) {
      largest_gap = gap;
      shortest = r;
    }
  }
  const MemoryNeed need = NeedOf(plan, shortest, request.units,
                                 request.dimensions, request.options);
  const uint64_t floor =
      FloorOf(request.devices[shortest], need, WeightsMode::kResident);
  return absl::ResourceExhaustedError(absl::StrCat(
      "--weights resident: the devices cannot hold the model; ",
      RankName(request, shortest), " has a budget of ",
      FormatByteSize(request.devices[shortest].budget_bytes),
      " but its floor is ", FormatByteSize(floor), " (", floor,
      " bytes: weights ", FormatByteSize(need.share), ", KV ",
      FormatByteSize(need.kv), "); ", FormatByteSize(largest_gap),
      " are missing there, and the others are full: give the devices ",
      "together about ", AsFlag(wanted - std::min(held, wanted) + base::kMiB),
      " more, add a device, or use --weights auto"));
}

}  // namespace shoal::parallel
