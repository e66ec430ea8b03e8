// What operators are told of a fleet.

#ifndef SHOAL_COORDINATOR_FLEET_STATUS_H_
#define SHOAL_COORDINATOR_FLEET_STATUS_H_

#include <vector>

#include "coordinator/coordinator.h"
#include "coordinator/deployment.h"
#include "coordinator/loaded_model.h"
#include "coordinator/placement.h"
#include "proto/inference.pb.h"
#include "proto/operator.pb.h"

namespace shoal::coordinator {

// The first device is the coordinator.
void FillDevices(const std::vector<DeviceState>& devices,
                 proto::FleetStatus& status);

// The plan in force, and what each device holds by it. `ready`: it generates,
// unless it has failed.
void FillModel(const ModelFile& model, Deployment& deployment, bool ready,
               proto::FleetStatus& status);

// For clients that choose one.
void AddModel(const LoadedModel& model, const parallel::RunOptions& run,
              proto::ListModelsReply& reply);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_STATUS_H_
