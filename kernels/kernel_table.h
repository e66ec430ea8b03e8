// The table of math functions, one per instruction set, chosen at start.
//
// Every function works on one range for one thread; callers spread ranges over
// a ThreadTeam. Threads: all functions are thread-safe on disjoint outputs and
// allocate nothing.
//
// Numerics: on one instruction set the bits of each output element depend on
// its own inputs alone: not on the range it was computed in, nor on how many
// tokens went with it, nor on its position in a tile. Between instruction sets
// results differ by the bounds given in tests/kernels.

#ifndef SHOAL_KERNELS_KERNEL_TABLE_H_
#define SHOAL_KERNELS_KERNEL_TABLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/activations.h"
#include "kernels/attention.h"
#include "kernels/layout.h"
#include "kernels/rope.h"

namespace shoal::kernels {

// Where a product goes: element (token, row) is at data[token * stride + row].
struct ProductOutput {
  enum class Mode : uint8_t {
    kStore,   // float:  out = product
    kAdd,     // float:  out += product
    kAddF64,  // double: out += product (the product itself is a float)
  };
  Mode mode = Mode::kStore;
  void* data = nullptr;
  uint64_t stride = 0;  // in elements
};

struct KernelTable {
  absl::string_view isa;  // "scalar", "avx2", "neon"
  LayoutId layout;        // what Product() expects

  // Rows [row_begin, row_end) of weights x activations^T for all tokens of
  // `input`. REQUIRES: weights.layout == layout; input.cols == weights.cols;
  // row_begin % kTileRows == 0; row_end is a multiple too or weights.rows;
  // input.encoding is the type's own or kF32.
  void (*product)(const WeightMatrix& weights, uint32_t row_begin,
                  uint32_t row_end, const ActivationView& input,
                  const ProductOutput& output);

  // Encodes one row: scale = max |x| / 127 per block of 32, quants rounded to
  // nearest even, sums of the quants. REQUIRES: cols % 32 == 0.
  void (*encode_a8)(const float* from, uint32_t cols, int8_t* quants,
                    float* scales, int16_t* sums);

  // to[i] = from[i] / sqrt(mean(from^2) + eps) * weight[i]. `weight` may be
  // null (1). May be in place. The mean is summed in double.
  void (*rms_norm)(const float* from, const float* weight, uint32_t count,
                   float eps, float* to);

  // to[i] = (from[i] - mean) / sqrt(variance + eps) * weight[i] + bias[i].
  // `weight` (1) and `bias` (0) may be null. May be in place. Mean and variance
  // are summed in double.
  void (*layer_norm)(const float* from, const float* weight, const float* bias,
                     uint32_t count, float eps, float* to);

  // gate[i] = silu(gate[i]) * up[i]
  void (*silu_mul)(float* gate, const float* up, uint32_t count);

  // gate[i] = gelu(gate[i]) * up[i], in the tanh form of arXiv 1606.08415;
  // `up` may be null (1).
  void (*gelu_mul)(float* gate, const float* up, uint32_t count);

  // gate[i] = g * sigmoid(1.702 g) * (u + 1) with g = min(gate[i], 7) and
  // u = up[i] clamped to [-7, 7] (gpt-oss).
  void (*swiglu_clamped)(float* gate, const float* up, uint32_t count);

  // Rotates one head vector in place by the angles of one position.
  void (*rope)(RopePairing pairing, const float* cos_sin, uint32_t rotary_dim,
               float* head);

  // Query heads against the cached keys and values of one KV head.
  void (*attention)(const AttentionArgs& args);

  // Conversions of rows that KV pages store.
  void (*f32_to_f16)(const float* from, uint32_t count, uint16_t* to);

  // The types whose products have no vector code in this table: right, but
  // several times slower than the others.
  std::span<const WeightType> plain_types = {};
};

// The instruction sets that this build has and this processor runs, best
// first; "scalar" is always there.
std::vector<absl::string_view> AvailableIsas();

// `name`: "auto" (the best) or one of the above.
// Errors: kInvalidArgument  unknown name, or not on this processor; the
//                           message lists what there is
absl::StatusOr<const KernelTable*> SelectKernels(absl::string_view name);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_KERNEL_TABLE_H_
