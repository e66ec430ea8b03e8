#include "memory/memory_watch.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/log.h"
#include "memory/process_memory.h"

namespace shoal::memory {
namespace {

using base::FormatByteSize;

// What shall stay free: the machine as a whole needs more than a group, which
// may be this process alone.
constexpr uint64_t kMachineReserveDivisor = 32;
constexpr uint64_t kMachineReserveMax = 256 * base::kMiB;
constexpr uint64_t kGroupReserveDivisor = 64;
constexpr uint64_t kGroupReserveMax = 16 * base::kMiB;
// Waiting for memory for a tenth of the time is pressure, unless there is
// plenty: then others wait within limits of their own.
constexpr double kStallPart = 0.1;
constexpr uint64_t kPlentyDivisor = 4;
constexpr uint64_t kStepDivisor = 8;

struct Situation {
  uint64_t missing_bytes = 0;         // to the reserve
  uint64_t spare_bytes = UINT64_MAX;  // beyond twice the reserve
  bool plenty = true;
  std::string tightest;  // for people
};

Situation Judge(const std::vector<MemoryLevel>& levels) {
  Situation situation;
  for (size_t i = 0; i < levels.size(); ++i) {
    const MemoryLevel& level = levels[i];
    const uint64_t reserve =
        i == 0 ? std::min(level.total_bytes / kMachineReserveDivisor,
                          kMachineReserveMax)
               : std::min(level.total_bytes / kGroupReserveDivisor,
                          kGroupReserveMax);
    const uint64_t left = level.reclaimable_bytes;
    if (left < level.total_bytes / kPlentyDivisor) situation.plenty = false;
    if (left < reserve) {
      situation.missing_bytes = std::max(situation.missing_bytes,
                                         reserve - left + level.excess_bytes);
    }
    const uint64_t spare = left > 2 * reserve ? left - 2 * reserve : 0;
    if (spare < situation.spare_bytes) {
      situation.spare_bytes = spare;
      situation.tightest =
          absl::StrCat(level.name, " has ", FormatByteSize(left), " of ",
                       FormatByteSize(level.total_bytes), " left");
    }
  }
  return situation;
}

}  // namespace

absl::StatusOr<uint64_t> MemoryWatch::ReadCap(const std::string& cap_file) {
  std::ifstream file(cap_file);
  if (!file) {
    return absl::UnavailableError(absl::StrCat("cannot read ", cap_file));
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto bytes = base::ParseByteSize(absl::StripAsciiWhitespace(text));
  if (bytes.ok()) return *bytes;
  return absl::InvalidArgumentError(
      absl::StrCat(cap_file, ": ", bytes.status().message()));
}

MemoryWatch::MemoryWatch(Options options, const Range& range)
    : options_([&] {
        if (options.clock == nullptr) options.clock = &base::Clock::Real();
        return std::move(options);
      }()),
      range_(range),
      cap_bytes_(range.budget),
      told_bytes_(Top()),
      last_poll_(options_.clock->Now()),
      calm_since_(last_poll_) {
  SHOAL_CHECK(range.floor <= range.budget && range.floor <= range.full);
  if (options_.watch_system) stall_ = ReadMemoryStall(options_.root);
}

// More than this would not be used.
uint64_t MemoryWatch::Top() const {
  return std::clamp(cap_bytes_, range_.floor, range_.full);
}

std::optional<MemoryWatch::Wish> MemoryWatch::Poll() {
  const absl::Time now = options_.clock->Now();
  if (now < next_poll_) return std::nullopt;
  next_poll_ = now + options_.interval;
  ReadCapFile();
  if (options_.watch_system) LookAtSystem(now);
  last_poll_ = now;
  given_up_bytes_ = std::min(given_up_bytes_, Top() - range_.floor);
  const uint64_t budget = Top() - given_up_bytes_;
  const bool below_floor = cap_bytes_ < range_.floor;
  if (!below_floor) floor_told_ = false;
  if (budget == told_bytes_ && (!below_floor || floor_told_)) {
    return std::nullopt;
  }
  told_bytes_ = budget;
  const bool tell_floor = below_floor && !floor_told_;
  floor_told_ = below_floor;
  return Wish{.budget_bytes = budget, .why = why_, .below_floor = tell_floor};
}

void MemoryWatch::ReadCapFile() {
  if (options_.cap_file.empty()) return;
  const auto cap = ReadCap(options_.cap_file);
  // A file that is being replaced may be empty or missing for a moment.
  if (!cap.ok()) {
    if (++cap_unclear_count_ == 2) {
      SHOAL_LOG(kWarning, cap.status().message(), "; the budget stays ",
                FormatByteSize(cap_bytes_));
    }
    return;
  }
  cap_unclear_count_ = 0;
  if (*cap == cap_bytes_) return;
  cap_bytes_ = *cap;
  why_ = absl::StrCat(options_.cap_file, " says ", FormatByteSize(*cap));
}

void MemoryWatch::LookAtSystem(absl::Time now) {
  const auto levels = ReadMemoryLevels(options_.root);
  if (!levels.ok()) return;
  const Situation situation = Judge(*levels);
  const auto stall = ReadMemoryStall(options_.root);
  const bool waits = stall && stall_ && !situation.plenty &&
                     *stall - *stall_ >= kStallPart * (now - last_poll_);
  stall_ = stall;
  if (situation.missing_bytes > 0 || waits) {
    calm_since_ = now;
    const uint64_t can_give = Top() - range_.floor;
    const uint64_t before = given_up_bytes_;
    given_up_bytes_ =
        std::min(can_give, given_up_bytes_ + std::max(situation.missing_bytes,
                                                      can_give / kStepDivisor));
    if (given_up_bytes_ != before) {
      why_ = absl::StrCat("memory is short: ", situation.tightest,
                          waits ? ", and processes wait for it" : "");
    }
    return;
  }
  if (given_up_bytes_ == 0 || now - calm_since_ < options_.calm) return;
  // Half of what is spare, so that this does not make the next shortage.
  const uint64_t back = std::min(given_up_bytes_, situation.spare_bytes / 2);
  if (back < std::min(given_up_bytes_, (Top() - range_.floor) / kStepDivisor)) {
    return;
  }
  given_up_bytes_ -= back;
  calm_since_ = now;
  why_ = absl::StrCat("memory is there again: ", situation.tightest);
}

}  // namespace shoal::memory
