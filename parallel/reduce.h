// The hub's sum: partial sums of all ranks, in rank order, onto the residual.

#ifndef SHOAL_PARALLEL_REDUCE_H_
#define SHOAL_PARALLEL_REDUCE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "parallel/plan.h"

namespace shoal::parallel {

constexpr uint32_t BytesOf(Payload payload) {
  return payload == Payload::kF64 ? 8 : 4;
}

// residual[i] += sum over r of parts[r][i], plus bias[i % bias.size()] if
// there is one.
//
// Numerics: kF64: everything is added in double, the residual first, then the
// parts in the order given, and rounded once. Partial sums are sums of floats,
// so that all but pathological sums are exact in double, whatever the cut.
// kF32: the parts are added in float in the order given, then to the residual.
//
// REQUIRES: residual.size() is a multiple of bias.size().
// `parts`: the bytes of count elements each, any alignment, host byte order.
void AddParts(Payload payload, std::span<const std::byte* const> parts,
              std::span<const float> bias, std::span<float> residual);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_REDUCE_H_
