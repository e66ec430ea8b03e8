// Cuts the phases of a layer into units (unit_table.h has the rules).

#ifndef SHOAL_MODEL_UNIT_GRID_H_
#define SHOAL_MODEL_UNIT_GRID_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/unit_table.h"

namespace shoal::model {

// Appends the units of one layer in execution order.
// Errors: as UnitTable::Create()
absl::Status AddLayerUnits(const ModelSpec& spec, const GgufHeader& header,
                           uint32_t layer, std::vector<UnitLayout>& units);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_UNIT_GRID_H_
