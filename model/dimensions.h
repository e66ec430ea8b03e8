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

// The encodings in which the units of one phase take the phase's input.
EncodingSet InputEncodings(const UnitTable& units, uint32_t layer,
                           uint32_t phase, bool f32_activations);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_DIMENSIONS_H_
