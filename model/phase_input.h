// The input of a phase, in every encoding that its units multiply.

#ifndef SHOAL_MODEL_PHASE_INPUT_H_
#define SHOAL_MODEL_PHASE_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/activations.h"
#include "kernels/kernel_table.h"
#include "kernels/weight_type.h"

namespace shoal::model {

// Which encodings a phase needs; the same on every rank.
struct EncodingSet {
  bool a8 = false;
  bool f32 = false;

  void Add(kernels::Encoding encoding) {
    (encoding == kernels::Encoding::kA8 ? a8 : f32) = true;
  }
};

// Memory: reserved by the constructor for `tokens_max`. Threads:
// thread-compatible; EncodeToken() of different tokens may run at once.
class PhaseInput {
 public:
  PhaseInput(const EncodingSet& encodings, uint32_t tokens_max, uint32_t cols);

  // Says what the next tokens hold. REQUIRES: tokens <= tokens_max;
  // `encodings` is a subset of the constructor's.
  void Begin(const EncodingSet& encodings, uint32_t tokens);

  // Encodes one row [cols] in the encodings of Begin().
  void EncodeToken(const kernels::KernelTable& kernels, const float* row,
                   uint32_t token);

  // REQUIRES: the encoding is in Begin()'s set.
  kernels::ActivationView View(kernels::Encoding encoding) const;

  uint32_t tokens() const { return tokens_; }

  // The wire form of the tokens [begin, begin + count): their a8 rows, then
  // their f32 rows, as far as the set has them.
  static uint64_t WireBytes(const EncodingSet& encodings, uint32_t count,
                            uint32_t cols);
  void Write(uint32_t begin, uint32_t count, std::span<std::byte> to) const;
  // Returns false if the size or the contents do not fit.
  bool Read(uint32_t begin, uint32_t count, std::span<const std::byte> from);

  static uint64_t BytesFor(const EncodingSet& encodings, uint32_t tokens_max,
                           uint32_t cols);

 private:
  EncodingSet current_;
  uint32_t tokens_ = 0;
  const uint32_t cols_;
  kernels::ActivationBuffer a8_;
  kernels::ActivationBuffer f32_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_PHASE_INPUT_H_
