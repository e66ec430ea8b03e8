// How fast devices were before, so that a new start makes the same plan.

#ifndef SHOAL_COORDINATOR_KNOWN_RATES_H_
#define SHOAL_COORDINATOR_KNOWN_RATES_H_

#include <span>
#include <string>

#include "parallel/planner.h"

namespace shoal::coordinator {

// A rate that is measured again is never quite the same, and each unit that
// changes its place for that is sent once more. So a device keeps the rate with
// which it was planned first, until measured ones differ by more than this
// factor at two starts in a row: at one, something else may have been at work
// on the device.
inline constexpr double kRateChangeMin = 2;

// Replaces work_macs_per_second of `devices` by what the file `rates` in
// `directory` knows by their names, and notes there what is new. Without a
// directory, or where it cannot be used, rates stay as they are.
void KeepKnownRates(const std::string& directory,
                    std::span<parallel::DeviceProfile> devices);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_KNOWN_RATES_H_
