#include "model/dimensions.h"

#include <algorithm>
#include <optional>

#include "model/routing.h"
#include "model/unit_compute.h"

namespace shoal::model {
namespace {

// The input of its phase that a part multiplies; nothing if it multiplies none.
std::optional<uint32_t> InputOf(const PhaseSpec& phase, PartRole role,
                                base::UnitKind kind) {
  switch (role) {
    case PartRole::kQuery:
      return phase.attention->query_input;
    case PartRole::kKey:
    case PartRole::kValue:
      return phase.attention->key_value_input;
    case PartRole::kGate:
    case PartRole::kUp:
      return kind == base::UnitKind::kExpert ? phase.experts->input
                                             : phase.ffn->input;
    case PartRole::kHead:
      return 0;
    default:
      return std::nullopt;
  }
}

PhaseShape EmptyShape(const PhaseSpec& phase, uint32_t hidden) {
  PhaseShape shape;
  for (const InputSpec& input : phase.inputs) {
    shape.push_back({input.projection.empty() ? hidden : input.rows, {}});
  }
  if (phase.attention && phase.attention->shared_key_dim > 0) {
    shape[phase.attention->shared_key_input].encodings.f32 = true;
  }
  if (phase.routed()) shape.push_back({RoutingCols(phase), {false, true}});
  return shape;
}

// What the hub needs for projections and routers: the normed rows in both
// encodings, and the products.
uint32_t HubScratchFloats(const PhaseSpec& phase, uint32_t hidden) {
  uint32_t floats = 0;
  for (const InputSpec& input : phase.inputs) {
    if (!input.projection.empty()) floats = std::max(floats, input.rows);
  }
  if (phase.experts) floats = std::max(floats, phase.experts->count());
  return floats == 0 ? 0 : floats + 2 * hidden;
}

}  // namespace

std::vector<std::vector<PhaseShape>> PhaseShapesOf(const ModelSpec& spec,
                                                   const UnitTable& units,
                                                   bool f32_activations) {
  std::vector<std::vector<PhaseShape>> shapes;
  for (const LayerSpec& layer : spec.layers) {
    std::vector<PhaseShape>& phases = shapes.emplace_back();
    for (const PhaseSpec& phase : layer.phases) {
      phases.push_back(EmptyShape(phase, spec.hidden));
    }
  }
  for (const UnitLayout& unit : units.units()) {
    const base::UnitId& id = unit.spec.id;
    if (id.kind == base::UnitKind::kHub) continue;
    const PhaseSpec& phase = spec.layers[id.layer].phases[id.phase];
    for (const UnitPart& part : unit.parts) {
      const auto input = InputOf(phase, part.role, id.kind);
      if (!input) continue;
      shapes[id.layer][id.phase][*input].encodings.Add(
          f32_activations ? kernels::Encoding::kF32
                          : kernels::InfoOf(part.type).encoding);
    }
  }
  return shapes;
}

base::ModelDimensions DimensionsOf(const ModelSpec& spec,
                                   const UnitTable& units,
                                   bool f32_activations) {
  base::ModelDimensions dimensions;
  dimensions.hidden = spec.hidden;
  dimensions.vocabulary = spec.vocabulary;
  dimensions.layer_count = spec.layer_count();
  for (const UnitLayout& unit : units.units()) {
    const auto& phases = spec.layers[unit.spec.id.layer].phases;
    dimensions.unit_scratch_floats =
        std::max(dimensions.unit_scratch_floats,
                 ScratchFloats(phases[unit.spec.id.phase], unit, spec.hidden));
  }
  std::vector<PhaseShape> shapes;
  for (auto& layer : PhaseShapesOf(spec, units, f32_activations)) {
    for (PhaseShape& shape : layer) shapes.push_back(std::move(shape));
  }
  dimensions.input_bytes = PhaseInput::BytesFor(shapes, 1);
  for (const LayerSpec& layer : spec.layers) {
    for (const PhaseSpec& phase : layer.phases) {
      dimensions.hub_scratch_floats = std::max(
          dimensions.hub_scratch_floats, HubScratchFloats(phase, spec.hidden));
    }
  }
  return dimensions;
}

}  // namespace shoal::model
