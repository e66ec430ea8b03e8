#include <vector>

#include "cli/cluster_config.h"

namespace shoal::cli {

const std::vector<ClusterField>& ClusterFields() {
  static const std::vector<ClusterField> fields = {
      {"name", "the name of the file", "text", ""},
      {"listen", "127.0.0.1:0", "HOST:PORT of this machine; port 0: any free",
       ""},
      {"devices", "any worker that shows the token", "blocks { ... }", ""},
      {"model", "", "a block { ... }", ""},
      {"join_timeout", "2m", "a time such as 90s, 2m", ""},
      {"data_timeout", "30s", "a time such as 5s, 1m", ""},
      {"token_file", "a new token for each start", "a file", "--token-file"},
      {"insecure", "false", "true, false", "--insecure"},
      {"coordinator_computes", "true", "true, false", ""},
      {"secrets", "none", "a folder that shoal init made", "--secrets"},
      {"trusted_lan", "false", "true, false", "--trusted-lan"},
      {"expect", "at least one worker", "1 to 255; only without devices", ""},
      {"ssh_config", "the user's", "a file for ssh -F", ""},
      {"devices.name", "", "text of at most 64 bytes; needed", ""},
      {"devices.local", "false", "true, false", ""},
      {"devices.ram_cap", "an equal part of 80 % of the free memory",
       "a size such as 300MiB", "--memory"},
      {"devices.disk_cap", "no limit", "a size such as 2GiB", ""},
      {"devices.threads", "big cores / devices there", "1 to 256", "--threads"},
      {"devices.store", "a folder of its name below --store", "a folder",
       "--store"},
      {"devices.share", "by measured speed; equal if all are local",
       "0 or more, for all devices or none", "--shares"},
      {"devices.address", "none: local, or started by hand",
       "a host name or address for ssh", ""},
      {"devices.ssh_user", "what ssh takes", "a user name", ""},
      {"devices.ssh_port", "what ssh takes", "1 to 65535", ""},
      {"devices.max_share", "1", "above 0, at most 1", ""},
      {"devices.optional", "false", "true, false", ""},
      {"devices.program", "a copy of this program", "a file on that device",
       ""},
      {"model.file", "", "a GGUF file; needed, here or as --model", "--model"},
      {"model.ctx", "512, or what the model was made for",
       "1 to 16777216 tokens", "--ctx"},
      {"model.chunk", "from the memory of the devices", "1 to 4096 tokens",
       "--chunk"},
      {"model.weights", "auto", "auto, resident, stream", "--weights"},
      {"model.parallel", "auto", "auto, or like tp=2,pp=2", "--parallel"},
      {"model.payload", "auto: f64 if all devices are local, else f32",
       "auto, f64, f32", "--payload"},
      {"model.collective", "auto", "auto, star, fused-star", "--collective"},
      {"model.activations", "q8", "q8, f32", "--activations"},
      {"model.kv", "f16", "f16, f32, q8", "--kv"},
      {"model.transport", "auto", "auto, tcp, zmq", "--transport"},
      {"model.head", "sharded", "sharded, coordinator", "--head"},
  };
  return fields;
}

}  // namespace shoal::cli
