#include "model/dimensions.h"

#include <algorithm>

#include "model/unit_compute.h"

namespace shoal::model {
namespace {

bool TakesPhaseInput(PartRole role) {
  switch (role) {
    case PartRole::kQuery:
    case PartRole::kKey:
    case PartRole::kValue:
    case PartRole::kGate:
    case PartRole::kUp:
    case PartRole::kHead:
      return true;
    case PartRole::kQueryBias:
    case PartRole::kKeyBias:
    case PartRole::kValueBias:
    case PartRole::kAttentionOutput:
    case PartRole::kDown:
    case PartRole::kInputNorm:
    case PartRole::kOutputBias:
    case PartRole::kRopeFactors:
      return false;
  }
  return false;
}

void AddEncodings(const UnitLayout& unit, bool f32_activations,
                  EncodingSet& set) {
  for (const UnitPart& part : unit.parts) {
    if (!TakesPhaseInput(part.role)) continue;
    set.Add(f32_activations ? kernels::Encoding::kF32
                            : kernels::InfoOf(part.type).encoding);
  }
}

}  // namespace

base::ModelDimensions DimensionsOf(const ModelSpec& spec,
                                   const UnitTable& units,
                                   bool f32_activations) {
  base::ModelDimensions dimensions;
  dimensions.hidden = spec.hidden;
  dimensions.vocabulary = spec.vocabulary;
  dimensions.layer_count = spec.layer_count();
  EncodingSet encodings;
  for (const UnitLayout& unit : units.units()) {
    const auto& phases = spec.layers[unit.spec.id.layer].phases;
    dimensions.unit_scratch_floats =
        std::max(dimensions.unit_scratch_floats,
                 ScratchFloats(phases[unit.spec.id.phase], unit));
    AddEncodings(unit, f32_activations, encodings);
  }
  dimensions.f32_inputs = encodings.f32;
  dimensions.a8_inputs = encodings.a8;
  return dimensions;
}

EncodingSet InputEncodings(const UnitTable& units, uint32_t layer,
                           uint32_t phase, bool f32_activations) {
  EncodingSet set;
  for (const UnitLayout& unit : units.units()) {
    if (unit.spec.id.layer != layer || unit.spec.id.phase != phase) continue;
    if (unit.spec.id.kind == base::UnitKind::kHub) continue;
    AddEncodings(unit, f32_activations, set);
  }
  return set;
}

}  // namespace shoal::model
