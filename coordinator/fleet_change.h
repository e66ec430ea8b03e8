// What an operator may change of a fleet that serves.

#ifndef SHOAL_COORDINATOR_FLEET_CHANGE_H_
#define SHOAL_COORDINATOR_FLEET_CHANGE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace shoal::coordinator {

struct FleetChange {
  enum class Kind : uint8_t {
    kDrain,   // `device` is taken out of the plan
    kResume,  // `device`, which is drained, takes part again
    kReplan,  // a new plan for whoever is here
  };
  Kind kind = Kind::kReplan;
  std::string device;  // empty for kReplan
  // For requests under way to finish; what still runs then goes on with the new
  // plan, which computes its tokens again.
  absl::Duration patience = absl::Seconds(30);
};

// Told one line at a time: what happens now, in the end what was done.
using ChangeNews = std::function<void(absl::string_view line)>;

// Carries a change out and returns when it is done. Called by any thread.
using FleetChanger =
    std::function<absl::Status(const FleetChange&, const ChangeNews&)>;

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_CHANGE_H_
