// A fleet at one moment, as operators are told of it.

#ifndef SHOAL_COORDINATOR_FLEET_SNAPSHOT_H_
#define SHOAL_COORDINATOR_FLEET_SNAPSHOT_H_

#include "absl/time/time.h"
#include "coordinator/event_log.h"
#include "coordinator/fleet_facts.h"
#include "coordinator/fleet_observer.h"
#include "proto/operator.pb.h"

namespace shoal::coordinator {

// A device that was not heard for so long is shown as silent; the coordinator
// hears of one that is well more often.
inline constexpr absl::Duration kSilentAfter = absl::Seconds(3);

// `observer` has observed `facts`. Without uptime and `ending`.
// REQUIRES: `facts` has the coordinator's device.
proto::FleetSnapshot SnapshotOf(const FleetFacts& facts,
                                const FleetObserver& observer);

proto::FleetEvent ToProto(const FleetEvent& event);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_SNAPSHOT_H_
