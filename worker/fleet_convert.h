// Between our structs and the messages of proto/, on the worker's side.

#ifndef SHOAL_WORKER_FLEET_CONVERT_H_
#define SHOAL_WORKER_FLEET_CONVERT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "parallel/planner.h"
#include "parallel/rank.h"
#include "proto/common.pb.h"
#include "proto/fleet.pb.h"

namespace shoal::worker {

proto::Status ToProto(const absl::Status& status);
// Of a refusal or an abort: never OK.
absl::Status FailureFromProto(const proto::Status& status);

proto::DeviceProfile ToProto(const parallel::DeviceProfile& profile);
proto::Report ToProto(const parallel::RankReport& report);
proto::Trace ToProto(const base::TraceRecorder::Part& part);

// The plan's ranges and stages are taken as they are: parallel::ValidatePlan()
// judges them, when the units are known.
// Errors: kInvalidArgument  a value that this version does not know, or a rank
//                           that the plan does not have
absl::StatusOr<parallel::RankSetup> SetupFromProto(const proto::Load& load);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_FLEET_CONVERT_H_
