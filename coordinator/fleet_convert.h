// Between our structs and the messages of proto/, on the coordinator's side.

#ifndef SHOAL_COORDINATOR_FLEET_CONVERT_H_
#define SHOAL_COORDINATOR_FLEET_CONVERT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "parallel/plan.h"
#include "parallel/planner.h"
#include "parallel/rank.h"
#include "proto/common.pb.h"
#include "proto/fleet.pb.h"

namespace shoal::coordinator {

inline constexpr size_t kDeviceNameBytesMax = 64;

proto::Status ToProto(const absl::Status& status);
// A code that is none of absl's becomes kUnknown; OK becomes kUnknown too, for
// it comes only where something failed.
absl::Status FailureFromProto(const proto::Status& status);

proto::Plan ToProto(const parallel::Plan& plan);
proto::Load ToProto(const parallel::RankSetup& setup);
proto::DeviceProfile ToProto(const parallel::DeviceProfile& profile);
proto::DeviceHealth ToProto(const parallel::DeviceHealth& health);

// Errors: kInvalidArgument  a name that is empty, too long or not printable; a
//                           rate that is negative or no number
absl::StatusOr<parallel::DeviceProfile> ProfileFromProto(
    const proto::DeviceProfile& profile);

parallel::RankReport ReportFromProto(const proto::Report& report);

// Errors: kInvalidArgument  lists of different lengths, or an unknown kind
absl::StatusOr<base::TraceRecorder::Part> TraceFromProto(
    const proto::Trace& trace);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_CONVERT_H_
