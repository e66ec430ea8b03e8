#include "cli/device.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cli/flags_where.h"
#include "transport/tcp_network.h"
#include "transport/zmq_network.h"
#include "worker/profile.h"

namespace shoal::cli {

std::string InBrackets(const std::string& host) {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]") : host;
}

absl::StatusOr<Device> MakeDevice(const DeviceOptions& options) {
  worker::ProfileOptions profile_options;
  profile_options.name = options.name;
  profile_options.isa = options.isa;
  profile_options.io = options.io;
  profile_options.threads = options.threads;
  profile_options.store_directory = options.store_directory;
  profile_options.budget_bytes = options.budget_bytes;
  if (!options.memory_file.empty()) {
    SHOAL_ASSIGN_OR_RETURN(const uint64_t cap,
                           memory::MemoryWatch::ReadCap(options.memory_file));
    profile_options.budget_bytes =
        options.budget_bytes == 0 ? cap : std::min(options.budget_bytes, cap);
  }
  SHOAL_ASSIGN_OR_RETURN(worker::ProfileResult measured,
                         worker::MeasureProfile(profile_options));
  if (!measured.remark.empty()) SHOAL_LOG(kInfo, measured.remark);

  worker::RankEngine::Options engine_options;
  engine_options.store_directory = options.store_directory;
  engine_options.disk_cap_bytes = options.disk_cap_bytes;
  engine_options.threads = options.threads;
  engine_options.isa = options.isa;
  engine_options.file_system = &memory::FileSystem::Real(options.io);
  engine_options.memory_watch.emplace();
  engine_options.memory_watch->cap_file = options.memory_file;
  engine_options.bind_address = InBrackets(options.bind_address);
  if (IsWildcard(options.bind_address)) {
    engine_options.advertised_address = InBrackets(options.advertised_address);
  }
  Device device;
  SHOAL_ASSIGN_OR_RETURN(device.context, transport::ZmqContext::Create());
  engine_options.make_network = [context = device.context.get()](
                                    parallel::Transport kind,
                                    const transport::NetworkOptions& network)
      -> std::unique_ptr<transport::Network> {
    if (kind == parallel::Transport::kTcp)
      return std::make_unique<transport::TcpNetwork>(network);
    return std::make_unique<transport::ZmqNetwork>(*context, network);
  };
  device.profile = std::move(measured.profile);
  SHOAL_ASSIGN_OR_RETURN(device.engine,
                         worker::RankEngine::Create(std::move(engine_options)));
  return device;
}

std::string HostName() {
  std::array<char, 256> name = {};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') {
    return "device";
  }
  return name.data();
}

}  // namespace shoal::cli
