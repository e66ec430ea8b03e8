// What the coordinator knows of its fleet at one moment.

#ifndef SHOAL_COORDINATOR_FLEET_FACTS_H_
#define SHOAL_COORDINATOR_FLEET_FACTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/unit.h"
#include "coordinator/coordinator.h"
#include "coordinator/generation_meter.h"
#include "parallel/plan.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

struct DeviceFacts {
  DeviceState state;
  std::optional<parallel::RankReport> report;  // the last
  absl::Time report_time;
  std::optional<absl::Duration> round_trip;
  std::optional<parallel::LoadProgress> load;  // while it loads
};

struct FleetFacts {
  absl::Time time;  // of now, by the clock of all times here
  std::string program_version;
  std::vector<DeviceFacts> devices;    // the coordinator first
  std::set<std::string> drained;       // devices; those that are away, too
  std::optional<parallel::Plan> plan;  // nothing: no model is loaded
  // Of the model, as is all until `ready`; not null where there is a plan.
  std::shared_ptr<const std::vector<base::UnitSpec>> units;
  std::string model_id;
  std::string model_name;
  absl::Status failure;  // of the plan; OK: none
  bool ready = false;    // it generates
  QueueState queue;
  MeteredTotals totals;
  std::vector<MeteredRequest> running;
  std::optional<MeteredRequest> last;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_FACTS_H_
