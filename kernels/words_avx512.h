// Words of weights times words of a few tokens for vector_avx512.h, written as
// instructions: GCC 12 makes a pointer of every address in such a loop, more
// than there are registers for, and copies sums from register to register,
// which takes the ports that multiply.

#ifndef SHOAL_KERNELS_WORDS_AVX512_H_
#define SHOAL_KERNELS_WORDS_AVX512_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace shoal::kernels {
namespace {

#define SHOAL_SUMS(t) [a##t] "+&v"(sums[t][0]), [b##t] "+&v"(sums[t][1])
// One token's word times the words of two tiles. What holds words has a name,
// because GCC allows 30 operands: 12 sums, read and written, count twice, and
// with 4 registers and 2 pieces of memory that is all.
#define SHOAL_TOKEN(word, t, address, x)          \
  "vpbroadcastd 4*" #word address ", %%" x "\n\t" \
  "vpdpbusd %%" x ", %%zmm28, %[a" #t "]\n\t"     \
  "vpdpbusd %%" x ", %%zmm29, %[b" #t "]\n\t"
#define SHOAL_WORDS(word)                         \
  "vmovdqa64 64*" #word "(%[bytes]), %%zmm28\n\t" \
  "vmovdqa64 64*8+64*" #word "(%[bytes]), %%zmm29\n\t"

#define SHOAL_4_TOKENS(word)                        \
  SHOAL_WORDS(word)                                 \
  SHOAL_TOKEN(word, 0, "(%[q])", "zmm30")           \
  SHOAL_TOKEN(word, 1, "(%[q],%[cols])", "zmm31")   \
  SHOAL_TOKEN(word, 2, "(%[q],%[cols],2)", "zmm30") \
  SHOAL_TOKEN(word, 3, "(%[r])", "zmm31")
#define SHOAL_5_TOKENS(word) SHOAL_4_TOKENS(word) SHOAL_TOKEN(word, 4, "(%[r],%[cols])", "zmm30")
#define SHOAL_6_TOKENS(word) SHOAL_5_TOKENS(word) SHOAL_TOKEN(word, 5, "(%[r],%[cols],2)", "zmm31")
#define SHOAL_4_SUMS SHOAL_SUMS(0), SHOAL_SUMS(1), SHOAL_SUMS(2), SHOAL_SUMS(3)

#define SHOAL_4_WORDS(step) step(0) step(1) step(2) step(3)
#define SHOAL_8_WORDS(step) SHOAL_4_WORDS(step) step(4) step(5) step(6) step(7)
#define SHOAL_ADD_WORDS(text, ...)                                                                \
  asm inline(text:__VA_ARGS__                                                                     \
             : [bytes] "r"(bytes), [q] "r"(quants), [r] "r"(quants + 3 * cols), [cols] "r"(cols), \
               "m"(*Whole<64 * (8 + kWords)>(bytes)), "m"(*Whole<kQuantsMax>(quants))             \
             : "xmm28", "xmm29", "xmm30", "xmm31")

// What lies at an address, for the compiler to know that it is read. Clang wants
// to know how much.
template <uint64_t kCount, typename T>
inline auto Whole(const T* from) {
  return reinterpret_cast<const T(*)[kCount]>(from);
}
// Beyond the last of 6 tokens of any length.
constexpr uint64_t kQuantsMax = uint64_t{6} << 32;

// sums[t][n] += the products of kWords words of tile n, tiles 8 words apart, and
// the words of token t. REQUIRES: 4 <= T <= 6; kWords is 8 or, where T is 4, 4;
// `bytes` is a multiple of 64.
template <int T, int kWords>
[[gnu::always_inline]] inline void AddWordsAvx512(const std::byte* bytes, const int8_t* quants,
                                                  uint64_t cols, __m512i (&sums)[T][2]) {
  static_assert(kWords == 8 || T == 4);
  if constexpr (T == 6) {
    SHOAL_ADD_WORDS(SHOAL_8_WORDS(SHOAL_6_TOKENS), SHOAL_4_SUMS, SHOAL_SUMS(4), SHOAL_SUMS(5));
  } else if constexpr (T == 5) {
    SHOAL_ADD_WORDS(SHOAL_8_WORDS(SHOAL_5_TOKENS), SHOAL_4_SUMS, SHOAL_SUMS(4));
  } else if constexpr (kWords == 8) {
    SHOAL_ADD_WORDS(SHOAL_8_WORDS(SHOAL_4_TOKENS), SHOAL_4_SUMS);
  } else {
    SHOAL_ADD_WORDS(SHOAL_4_WORDS(SHOAL_4_TOKENS), SHOAL_4_SUMS);
  }
}

#undef SHOAL_SUMS
#undef SHOAL_TOKEN
#undef SHOAL_WORDS
#undef SHOAL_4_TOKENS
#undef SHOAL_5_TOKENS
#undef SHOAL_6_TOKENS
#undef SHOAL_4_SUMS
#undef SHOAL_4_WORDS
#undef SHOAL_8_WORDS
#undef SHOAL_ADD_WORDS

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_WORDS_AVX512_H_
