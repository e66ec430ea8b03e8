// What a worker is started with: by a person, or by --local.

#ifndef SHOAL_CLI_WORKER_ARGUMENTS_H_
#define SHOAL_CLI_WORKER_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/session.h"

namespace shoal::cli {

struct WorkerArguments {
  std::string join;         // HOST:PORT
  uint32_t local_rank = 0;  // > 0: a worker of --local
  std::string isa = "auto";
  memory::IoEngine io = memory::IoEngine::kAuto;
  LocalDeviceOptions device;
};

// As words of a command line, the verb first. No secret is in them.
std::vector<std::string> ToWords(const WorkerArguments& arguments);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_WORKER_ARGUMENTS_H_
