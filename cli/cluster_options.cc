#include "cli/cluster_options.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"
#include "cli/cluster_secrets.h"
#include "cli/launch_device.h"
#include "cli/store_root.h"

namespace shoal::cli {
namespace {

// The flags, and what the file says where they say nothing.
HowFlags Merge(const HowFlags& flags, const HowFlags& file) {
  HowFlags how = flags;
  if (how.context == 0) how.context = file.context;
  if (how.chunk == 0) how.chunk = file.chunk;
  if (!how.weights) how.weights = file.weights;
  if (how.tensor_parallel == 0 && how.pipeline_parallel == 0) {
    how.tensor_parallel = file.tensor_parallel;
    how.pipeline_parallel = file.pipeline_parallel;
  }
  if (!how.collective) how.collective = file.collective;
  if (!how.head) how.head = file.head;
  if (!how.payload) how.payload = file.payload;
  if (!how.f32_activations) how.f32_activations = file.f32_activations;
  if (!how.kv) how.kv = file.kv;
  if (!how.transport) how.transport = file.transport;
  how.data_timeout = file.data_timeout;
  return how;
}

absl::StatusOr<std::vector<LocalDeviceOptions>> LocalDevices(
    const std::vector<ClusterDevice>& devices, const HowFlags& how) {
  const auto count = static_cast<uint32_t>(devices.size());
  SHOAL_ASSIGN_OR_RETURN(const std::vector<uint64_t> budgets,
                         LocalBudgets(how, count));
  SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(how.store));
  std::vector<LocalDeviceOptions> locals;
  for (uint32_t i = 0; i < count; ++i) {
    const ClusterDevice& from = devices[i];
    LocalDeviceOptions to;
    to.name = from.name;
    to.budget_bytes = how.memory_bytes.empty() && from.ram_cap_bytes > 0
                          ? from.ram_cap_bytes
                          : budgets[i];
    if (from.disk_cap_bytes > 0) to.disk_cap_bytes = from.disk_cap_bytes;
    to.threads = how.threads == 0 && from.threads > 0 ? from.threads
                                                      : ThreadsOf(how, count);
    to.store_directory =
        from.store.empty() ? DeviceStore(root, from.name) : from.store;
    locals.push_back(std::move(to));
  }
  return locals;
}

// Those of this machine; the others are noted in `options`.
std::vector<ClusterDevice> SortDevices(const ClusterConfig& config,
                                       SessionOptions& options) {
  std::vector<ClusterDevice> local;
  for (const ClusterDevice& device : config.devices) {
    options.device_names.push_back(device.name);
    const bool is_first = &device == config.devices.data();
    if (is_first || (device.local && !IsLaunchedHere(config, device))) {
      local.push_back(device);
    } else if (device.optional) {
      options.optional_names.push_back(device.name);
    } else {
      options.expected_names.push_back(device.name);
    }
  }
  options.expect = static_cast<uint32_t>(options.expected_names.size());
  if (config.devices.empty()) {
    ClusterDevice own;
    own.name = HostName();
    own.local = true;
    local.push_back(std::move(own));
    options.expect = std::max(config.expect, 1u);
    options.any_may_join = config.expect == 0;
  }
  return local;
}

bool IsAllLocal(const SessionOptions& options) {
  return options.expect == 0 && options.optional_names.empty();
}

void SetShares(const ClusterConfig& config, SessionOptions& options) {
  for (const ClusterDevice& device : config.devices) {
    if (device.share) {
      options.plan.shares_by_name[device.name] = *device.share;
    }
    if (device.max_share) {
      options.plan.max_shares[device.name] = *device.max_share;
    }
  }
  // Equal devices: their measured rates differ by noise alone.
  if (options.plan.shares.empty() && options.plan.shares_by_name.empty() &&
      IsAllLocal(options)) {
    options.plan.shares.assign(config.devices.size(), 1);
  }
}

}  // namespace

absl::StatusOr<SessionOptions> SessionOptionsOfCluster(
    const std::string& model, const WhereFlags& where,
    const HowFlags& how_flags) {
  SHOAL_ASSIGN_OR_RETURN(const ClusterConfig config,
                         ReadClusterConfig(where.cluster));
  const HowFlags how = Merge(how_flags, config.how);
  SessionOptions options;
  options.model = model.empty() ? config.model_file : model;
  if (options.model.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where.cluster,
                     ": model.file: it is missing; name a GGUF file there or "
                     "with --model"));
  }
  SHOAL_ASSIGN_OR_RETURN(const uint32_t trained,
                         TrainedContextOf(options.model));
  const std::vector<ClusterDevice> local = SortDevices(config, options);
  options.plan = PlanOptionsOf(how, trained, IsAllLocal(options));
  SetShares(config, options);
  SHOAL_ASSIGN_OR_RETURN(options.local_devices, LocalDevices(local, how));
  options.plan.run.may_poll = CoresSuffice(options.local_devices);
  options.isa = how.isa;
  options.io = how.io;
  options.memory_file = how.memory_file;
  options.listen_address = config.listen;
  options.join_timeout = config.join_timeout;
  options.coordinator_computes = config.coordinator_computes;
  options.insecure = config.insecure || where.insecure;
  options.trusted_lan = config.trusted_lan || where.trusted_lan;
  options.offers = !where.no_offer;
  options.offer_port = static_cast<uint16_t>(where.offer_port);
  options.secrets = where.secrets.empty() ? config.secrets : where.secrets;
  if (options.insecure) options.secrets.clear();
  if (!where.token_file.empty()) {
    SHOAL_ASSIGN_OR_RETURN(options.token, ReadTokenFile(where.token_file));
  } else {
    SHOAL_ASSIGN_OR_RETURN(options.token, JoinTokenOf(config));
  }
  options.token_is_known = !options.token.empty();
  return options;
}

}  // namespace shoal::cli
