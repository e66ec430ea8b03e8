// What a run of zero bytes does to a CRC32C register, for checksums of pieces
// that are computed side by side.

#ifndef SHOAL_BASE_CRC32C_SHIFT_H_
#define SHOAL_BASE_CRC32C_SHIFT_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace shoal::base {

inline constexpr uint32_t kCrc32cReversedPolynomial = 0x82f63b78;

// Bytes of one run of three: multiples of 8.
inline constexpr size_t kCrc32cLongRun = 1024;
inline constexpr size_t kCrc32cShortRun = 128;

// The register after `kZeroBytes` zero bytes is a linear function of the
// register before: the sum over its bytes of what each contributes.
template <size_t kZeroBytes>
class Crc32cShift {
 public:
  static uint32_t Apply(uint32_t state) {
    return kTable[0][state & 0xff] ^ kTable[1][(state >> 8) & 0xff] ^
           kTable[2][(state >> 16) & 0xff] ^ kTable[3][state >> 24];
  }

 private:
  using Table = std::array<std::array<uint32_t, 256>, 4>;

  static constexpr Table Make() {
    Table table = {};
    for (size_t bit = 0; bit < 32; ++bit) {
      uint32_t state = uint32_t{1} << bit;
      for (size_t i = 0; i < 8 * kZeroBytes; ++i) {
        state = (state >> 1) ^ (-(state & 1) & kCrc32cReversedPolynomial);
      }
      const size_t one = size_t{1} << (bit % 8);
      for (size_t rest = 0; rest < one; ++rest) {
        table[bit / 8][one + rest] = table[bit / 8][rest] ^ state;
      }
    }
    return table;
  }

  static constexpr Table kTable = Make();
};

}  // namespace shoal::base

#endif  // SHOAL_BASE_CRC32C_SHIFT_H_
