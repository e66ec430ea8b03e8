// This process as a device: its profile and its rank engine.

#ifndef SHOAL_CLI_DEVICE_H_
#define SHOAL_CLI_DEVICE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "memory/file_system.h"
#include "parallel/planner.h"
#include "transport/zmq_context.h"
#include "worker/rank_engine.h"

namespace shoal::cli {

struct DeviceOptions {
  std::string name;
  std::string store_directory;  // of this device
  uint64_t disk_cap_bytes = UINT64_MAX;
  uint64_t budget_bytes = 0;  // 0: 80 % of what is available
  std::string memory_file;    // a smaller budget, read again and again
  uint32_t threads = 1;
  std::string isa = "auto";
  memory::IoEngine io = memory::IoEngine::kAuto;
  // Where this device listens for other ranks; IPv6 without brackets.
  std::string bind_address = "127.0.0.1";
  // What they dial where that is all addresses (IsWildcard()).
  std::string advertised_address;
};

struct Device {
  std::unique_ptr<transport::ZmqContext> context;  // outlives the engine
  parallel::DeviceProfile profile;
  std::unique_ptr<worker::RankEngine> engine;
};

// Measures this machine (a third of a second) and makes the engine.
// Errors: those of worker::MeasureProfile(), worker::RankEngine::Create() and
//         memory::MemoryWatch::ReadCap()
absl::StatusOr<Device> MakeDevice(const DeviceOptions& options);

// As endpoints write it: IPv6 in brackets.
std::string InBrackets(const std::string& host);

// The machine's name, or "device".
std::string HostName();

}  // namespace shoal::cli

#endif  // SHOAL_CLI_DEVICE_H_
