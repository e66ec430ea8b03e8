#include "memory/budget.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/byte_size.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kWindowBytesDefault = 8 * base::kMiB;
// Where nothing stays, there is room for requests of the largest size: fewer of
// them cost less, on both sides of the window.
constexpr uint64_t kStreamWindowBytesDefault = 16 * base::kMiB;
constexpr uint64_t kWindowUnitsDefault = 4;

uint64_t OtherBytes(const BudgetRequest& request) {
  return request.fixed_bytes + request.kv_bytes + request.activation_bytes +
         request.transport_bytes;
}

// The least that weights can do with.
uint64_t WeightsFloorBytes(const BudgetRequest& request) {
  if (request.mode == WeightsMode::kResident) return request.share_bytes;
  return std::min(request.largest_unit_bytes, request.share_bytes);
}

uint64_t WantedWindowBytes(const BudgetRequest& request) {
  uint64_t wanted = request.window_bytes_wanted;
  if (wanted == 0) {
    wanted = std::max(request.mode == WeightsMode::kStream
                          ? kStreamWindowBytesDefault
                          : kWindowBytesDefault,
                      kWindowUnitsDefault * request.largest_unit_bytes);
  }
  return std::min(wanted, request.share_bytes);
}

// The window takes room from the residents, so what streams in a pass is the
// window and what would not fit anyway. Where little would not fit, a large
// window would be most of the reading.
uint64_t WindowBesideResidents(const BudgetRequest& request, uint64_t left) {
  uint64_t wanted = WantedWindowBytes(request);
  if (request.window_bytes_wanted == 0) {
    wanted = std::min(wanted, std::max(2 * request.largest_unit_bytes,
                                       request.share_bytes - left));
  }
  return std::max(request.largest_unit_bytes, std::min(wanted, left / 2));
}

}  // namespace

uint64_t FloorBytes(const BudgetRequest& request) {
  return OtherBytes(request) + WeightsFloorBytes(request);
}

absl::StatusOr<BudgetSplit> SplitBudget(const BudgetRequest& request) {
  const uint64_t floor = FloorBytes(request);
  if (request.budget_bytes < floor) {
    const bool resident = request.mode == WeightsMode::kResident;
    return absl::ResourceExhaustedError(absl::StrCat(
        "the memory budget of ", base::FormatByteSize(request.budget_bytes),
        " (", request.budget_bytes, " bytes) is ",
        base::FormatByteSize(floor - request.budget_bytes),
        " short of the floor of ", base::FormatByteSize(floor), " (", floor,
        " bytes): program ", base::FormatByteSize(request.fixed_bytes),
        ", KV pages ", base::FormatByteSize(request.kv_bytes), ", activations ",
        base::FormatByteSize(request.activation_bytes), ", transport ",
        base::FormatByteSize(request.transport_bytes),
        resident ? ", all weights " : ", smallest window ",
        base::FormatByteSize(WeightsFloorBytes(request)),
        resident ? "; weights may stream instead (--weights auto)" : ""));
  }
  const uint64_t left = request.budget_bytes - OtherBytes(request);
  if (request.mode != WeightsMode::kStream && left >= request.share_bytes) {
    return BudgetSplit{.resident_bytes = request.share_bytes,
                       .window_bytes = 0};
  }
  if (request.mode == WeightsMode::kStream) {
    return BudgetSplit{
        .resident_bytes = 0,
        .window_bytes = std::max(WeightsFloorBytes(request),
                                 std::min(WantedWindowBytes(request), left))};
  }
  const uint64_t window = WindowBesideResidents(request, left);
  return BudgetSplit{.resident_bytes = left - window, .window_bytes = window};
}

}  // namespace shoal::memory
