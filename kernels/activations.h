// Activations as the matrix products take them, and how they travel.

#ifndef SHOAL_KERNELS_ACTIVATIONS_H_
#define SHOAL_KERNELS_ACTIVATIONS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/weight_type.h"

namespace shoal::kernels {

inline constexpr uint32_t kA8BlockElements = 32;

// Sums are kept for half blocks, because some weight types have a scale or a
// minimum for every 16 elements.
inline constexpr uint32_t kA8SumElements = 16;

// A block whose largest magnitude is below this becomes zero: 127 divided by
// it would leave the range of float. (A block with an infinity or a NaN gets a
// NaN for its scale and zero quants, so that the fault shows in the result.)
inline constexpr float kA8SmallestMax = 1e-30f;

// A view of [tokens, cols] activations in one encoding, row-major. The unused
// pointers are null.
struct ActivationView {
  Encoding encoding = Encoding::kF32;
  uint32_t tokens = 0;
  uint32_t cols = 0;
  const float* values = nullptr;   // kF32: [tokens, cols]
  const int8_t* quants = nullptr;  // kA8: [tokens, cols]
  const float* scales = nullptr;   // kA8: [tokens, cols / 32]
  const int16_t* sums = nullptr;   // kA8: [tokens, cols / 16], of the quants

  // The tokens [begin, begin + count).
  ActivationView Tokens(uint32_t begin, uint32_t count) const;
};

// Owns such activations. Memory: reserved by the constructor, 64-byte aligned
// rows are not promised; Resize() within the reserve does not allocate.
// Threads: thread-compatible; rows may be written by different threads.
class ActivationBuffer {
 public:
  // kA8 REQUIRES: cols % 32 == 0.
  ActivationBuffer(Encoding encoding, uint32_t tokens_max, uint32_t cols);

  // REQUIRES: tokens <= tokens_max.
  void Resize(uint32_t tokens);

  ActivationView View() const;
  uint32_t tokens() const { return tokens_; }
  uint32_t tokens_max() const { return tokens_max_; }
  uint32_t cols() const { return cols_; }
  Encoding encoding() const { return encoding_; }

  float* values(uint32_t token);   // kF32
  int8_t* quants(uint32_t token);  // kA8
  float* scales(uint32_t token);   // kA8
  int16_t* sums(uint32_t token);   // kA8

  static uint64_t BytesFor(Encoding encoding, uint32_t tokens, uint32_t cols);

 private:
  Encoding encoding_;
  uint32_t tokens_max_;
  uint32_t tokens_ = 0;
  uint32_t cols_;
  std::vector<float> values_;
  std::vector<int8_t> quants_;
  std::vector<float> scales_;
  std::vector<int16_t> sums_;
};

// The wire form of one token's row: kF32 its values; kA8 the scales (f32),
// then the quants; the sums are made again by the receiver. Little endian.
// Several tokens follow one another.
uint64_t WireBytes(Encoding encoding, uint32_t cols);
// REQUIRES: to.size() == from.tokens * WireBytes(from.encoding, from.cols).
void WriteWire(const ActivationView& from, std::span<std::byte> to);
// Sums a row of quants [cols] for ActivationView::sums. Returns false if a
// quant is -128, which no encoder makes and the kernels do not expect.
bool SumQuants(const int8_t* quants, uint32_t cols, int16_t* sums);

// Fills `to` (resized to `tokens`) from `from`. Returns false, and leaves `to`
// with unspecified values, if the size or the number of tokens does not fit or
// a quant is -128: encoders make [-127, 127], and kernels rely on it.
bool ReadWire(std::span<const std::byte> from, uint32_t tokens,
              ActivationBuffer& to);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ACTIVATIONS_H_
