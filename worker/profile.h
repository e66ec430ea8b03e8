// Measures what the planner wants to know of this device.

#ifndef SHOAL_WORKER_PROFILE_H_
#define SHOAL_WORKER_PROFILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "memory/file_system.h"
#include "parallel/planner.h"

namespace shoal::worker {

struct ProfileOptions {
  std::string name;             // of the device
  std::string isa = "auto";     // kernels::SelectKernels()
  uint32_t threads = 1;         // >= 1
  std::string store_directory;  // whose disk is measured; made if missing
  memory::IoEngine io = memory::IoEngine::kAuto;
  uint64_t budget_bytes = 0;  // 0: 80 % of what is available
  absl::Duration measure_time = absl::Milliseconds(150);  // each, at most
};

struct ProfileResult {
  parallel::DeviceProfile profile;
  // Why something could not be measured (a rate is then the default).
  std::string remark;
};

// Takes up to 2 * measure_time, 8 MiB of memory (given back) and 16 MiB of
// disk (given back). Call it when the program has started everything else:
// fixed_bytes is what the process takes now, and a reserve.
// Errors: kInvalidArgument    unknown isa
//         kResourceExhausted  the system refuses the memory
//         kUnimplemented      the system refuses the engine
absl::StatusOr<ProfileResult> MeasureProfile(const ProfileOptions& options);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_PROFILE_H_
