// Makes the weight stores of a fleet for a model of random weights, without the
// model file that they would come from.

#ifndef SHOAL_CLI_SYNTH_STORES_H_
#define SHOAL_CLI_SYNTH_STORES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "model/synth.h"

namespace shoal::cli {

struct SynthStoresOptions {
  model::SynthOptions model;  // its path gets the small, external file
  std::string root;           // of the stores: DeviceStore(root, name)
  std::vector<std::string> device_names;  // by rank, at least one
  std::vector<double> shares;             // by rank; empty: equal
  std::string isa = "auto";               // whose layout is stored
};

// Writes to each device's store the units that the planner gives it by these
// shares, as the device itself would have, and then the file: metadata,
// tokenizer, embedding and what hubs keep, the rest external
// (model/gguf_external.h). What a store has already is kept. The units have the
// bytes of those in the whole file of the same options.
//
// Cost:   bytes are made, packed and digested by one thread for each core.
// Memory: a few units for each thread.
// Errors: kInvalidArgument    shape, type, names or shares are not possible
//         kResourceExhausted  the disk has not enough room; nothing is written
//         those of coordinator::PlanModel(), memory::WeightStore::Open() and
//         model::WriteExternalGgufFile()
absl::Status SynthesizeStores(const SynthStoresOptions& options,
                              model::SynthProgress progress);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_SYNTH_STORES_H_
