// Which device and which of its means bind a fleet, and what would help.

#ifndef SHOAL_PARALLEL_DIAGNOSIS_H_
#define SHOAL_PARALLEL_DIAGNOSIS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "parallel/token_model.h"

namespace shoal::parallel {

enum class Bottleneck : uint8_t {
  kProcessor,  // it computes longest
  kDisk,       // it reads slowly, by what the others' disks do
  kMemory,     // its disk is as good as the others', but it must read much
  kLink,       // its frames are long on the way
};

struct Remedy {
  enum class Kind : uint8_t {
    kMemory,   // more memory for the device
    kShares,   // other shares for all devices
    kWithout,  // no share for the device
    kLink,     // a link as good as the others have
  };
  Kind kind = Kind::kMemory;
  std::string what;  // "give edge2 300 MiB more memory"
  // The words of a command line that do it, for `run`, `chat` and `serve`, or
  // for the device's worker; empty where there are none.
  std::string flags;
  FleetChange change;
  absl::Duration predicted;  // from one token to the next
};

struct Diagnosis {
  uint32_t rank = 0;  // the bottleneck
  Bottleneck cause = Bottleneck::kProcessor;
  // "the disk of edge2: it reads 100 MiB for each token at 40 MiB/s, the others
  // at 200"
  std::string why;
  // Those that are worth it, the cheapest first: of no other device than there
  // is.
  std::vector<Remedy> remedies;
};

Diagnosis Diagnose(const TokenModel& model);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_DIAGNOSIS_H_
