// The figures of a model that planning and memory need.

#ifndef SHOAL_MODEL_DIMENSIONS_H_
#define SHOAL_MODEL_DIMENSIONS_H_

#include "base/model_dimensions.h"
#include "model/architecture.h"
#include "model/phase_input.h"
#include "model/unit_table.h"

namespace shoal::model {

base::ModelDimensions DimensionsOf(const ModelSpec& spec,
                                   const UnitTable& units,
                                   bool f32_activations);

// The inputs of every phase: columns, and the encodings in which its units
// take them. By layer and phase.
std::vector<std::vector<PhaseShape>> PhaseShapesOf(const ModelSpec& spec,
                                                   const UnitTable& units,
                                                   bool f32_activations);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_DIMENSIONS_H_
