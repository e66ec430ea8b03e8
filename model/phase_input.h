// The inputs of a phase, in every encoding that its units multiply.

#ifndef SHOAL_MODEL_PHASE_INPUT_H_
#define SHOAL_MODEL_PHASE_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/activations.h"
#include "kernels/kernel_table.h"
#include "kernels/weight_type.h"

namespace shoal::model {

// Which encodings an input needs; the same on every rank.
struct EncodingSet {
  bool a8 = false;
  bool f32 = false;

  void Add(kernels::Encoding encoding) {
    (encoding == kernels::Encoding::kA8 ? a8 : f32) = true;
  }
  friend bool operator==(const EncodingSet&, const EncodingSet&) = default;
};

struct InputShape {
  uint32_t cols = 0;
  EncodingSet encodings;
};

// The inputs of one phase, in the order of PhaseSpec::inputs; a routed phase
// has the routing behind them (routing.h).
using PhaseShape = std::vector<InputShape>;

// Memory: reserved by the constructor for `tokens_max` of any of the shapes;
// phases share it. Threads: thread-compatible; EncodeToken() of different
// tokens may run at once.
class PhaseInput {
 public:
  PhaseInput(std::span<const PhaseShape> shapes, uint32_t tokens_max);

  // Says what the next tokens hold. REQUIRES: tokens <= tokens_max; `shape` is
  // one of the constructor's.
  void Begin(const PhaseShape& shape, uint32_t tokens);

  // Encodes one row [cols] in the encodings that `input` has.
  void EncodeToken(const kernels::KernelTable& kernels, uint32_t input,
                   const float* row, uint32_t token);

  // REQUIRES: the input has the encoding.
  kernels::ActivationView View(uint32_t input,
                               kernels::Encoding encoding) const;

  uint32_t tokens() const { return tokens_; }

  // The wire form of the tokens [begin, begin + count): for each input their a8
  // rows, then their f32 rows, as far as it has them.
  static uint64_t WireBytes(const PhaseShape& shape, uint32_t count);
  void Write(uint32_t begin, uint32_t count, std::span<std::byte> to) const;
  // Returns false if the size or the contents do not fit.
  bool Read(uint32_t begin, uint32_t count, std::span<const std::byte> from);

  static uint64_t BytesFor(std::span<const PhaseShape> shapes,
                           uint32_t tokens_max);

 private:
  // A buffer that inputs of different phases share.
  struct Slot {
    Slot(const InputShape& shape, uint32_t tokens_max);

    uint32_t cols;
    kernels::ActivationBuffer a8;
    kernels::ActivationBuffer f32;
  };
  struct Current {
    Slot* slot;
    EncodingSet encodings;
  };

  // One shape with room for any of `shapes`: inputs of as many columns share.
  static PhaseShape Merge(std::span<const PhaseShape> shapes);

  std::vector<Slot> slots_;
  std::vector<Current> current_;  // by input
  uint32_t tokens_ = 0;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_PHASE_INPUT_H_
