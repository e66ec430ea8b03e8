// How blocks of a tile of 16 rows are read for products of unsigned by signed
// bytes, in terms of a vector V (vector_avx512.h, vector_avxvnni.h). The
// formats are described in block_decoders.cc.
//
// Each type has
//   kParts       parts of 32 elements in a block
//   kBlockBytes
//   kOffset      what to take off each byte to have the signed quant
//   kScales      scales of a part: 1, or 2 of 16 elements each
//   kMins        minima of a part: 0, 1, or 2 of 16 elements each; the value
//                is scale * quant - min
//   Head         what the parts of a block share, read by its constructor
//   Bytes<P, W>(block)  elements 4 W .. 4 W + 3 of part P
//   Scale<P>(head, k), Min<P>(head, k)
//
// Types whose scale is an integer for every 16 elements times a float for the
// block have kScales == 1 and
//   Factor<P>(head, k)  that integer of elements 16 k .. 16 k + 15, where the
//                       quant times the factor has room in a byte
//   kProductOffset      what to add to such a product to have an unsigned byte
// A panel holds the products, and Scale() is the same for the whole block.
//
// Part and word numbers are template arguments wherever a shift hangs on them,
// because shifts by a number in a register cost twice as much.

#ifndef SHOAL_KERNELS_PRODUCT_TYPES_VNNI_H_
#define SHOAL_KERNELS_PRODUCT_TYPES_VNNI_H_

#include <array>

#include "kernels/block_decoders.h"

namespace shoal::kernels {
namespace {

inline constexpr uint32_t kWordBytes = 64;  // a word of 4 bytes of 16 rows

// Integer sums begin here: 2^23 + 2^22 as bits of a float, so that a sum s has
// the bits of the float kRaised + s, and one instruction makes it scale * s.
inline constexpr int32_t kRaisedBits = 0x4b400000;
inline constexpr float kRaised = 12582912.0f;

// A table of signed bytes as unsigned ones, `offset` too much.
constexpr std::array<uint8_t, 16> Raised(const int8_t (&values)[16],
                                         int offset) {
  std::array<uint8_t, 16> raised = {};
  for (size_t i = 0; i < raised.size(); ++i) {
    raised[i] = static_cast<uint8_t>(values[i] + offset);
  }
  return raised;
}

inline constexpr int kIQ4Offset = 127;
inline constexpr auto kIQ4Raised = Raised(kIQ4Values, kIQ4Offset);
inline constexpr int kMXFP4Offset = 12;
inline constexpr auto kMXFP4Raised = Raised(kMXFP4Doubles, kMXFP4Offset);

// Whether a type has integer factors.
template <typename Type>
concept HasFactors = requires {
  Type::kProductOffset;
};

template <typename V>
struct Vnni {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;

  static Ints Word(const std::byte* words, int word) {
    return V::Load(words + word * kWordBytes);
  }
  template <int kShift, int kMask>
  static Ints Bits(Ints words) {
    return V::And(V::template Right<kShift>(words), V::BroadcastByte(kMask));
  }
  // Bit `kFrom` of each byte, at bit `kTo`.
  template <int kFrom, int kTo>
  static Ints Bit(Ints words) {
    constexpr int kMask = 1 << kTo;
    if constexpr (kFrom >= kTo) return Bits<kFrom - kTo, kMask>(words);
    return V::And(V::template Left<kTo - kFrom>(words),
                  V::BroadcastByte(kMask));
  }
  // Bits [kFrom, kFrom + 2) of each byte, at bit 4.
  template <int kFrom>
  static Ints TwoBitsAt4(Ints words) {
    if constexpr (kFrom >= 4) return Bits<kFrom - 4, 0x30>(words);
    return V::And(V::template Left<4 - kFrom>(words), V::BroadcastByte(0x30));
  }
  // Elements 4 kWord .. of 32 in 4 words of nibbles: the first 16 in the low
  // ones.
  template <int kWord>
  static Ints Nibbles(const std::byte* words) {
    return Bits<kWord / 4 * 4, 15>(Word(words, kWord % 4));
  }
  template <int kIndex>
  static Ints ByteOfLanes(Ints words) {
    const Ints bytes = V::template Right<8 * kIndex>(words);
    return kIndex == 3 ? bytes : V::And(bytes, V::Broadcast(255));
  }
  template <int kIndex>
  static Ints SignedByteOfLanes(Ints words) {
    return V::template RightSigned<24>(
        V::template Left<24 - 8 * kIndex>(words));
  }

  // Blocks of 32 with one f16 scale at their beginning.
  struct OneHalf {
    Floats scale;
    explicit OneHalf(const std::byte* block) : scale(V::LoadHalfs(block)) {}
  };
  template <typename Head>
  struct OneScale {
    template <int>
    static Floats Scale(const Head& head, int) {
      return head.scale;
    }
    template <int>
    static Floats Min(const Head& head, int) {
      return head.min;
    }
  };
  // The same with a minimum, which the format adds.
  struct TwoHalfs {
    Floats scale, min;
    explicit TwoHalfs(const std::byte* block)
        : scale(V::LoadHalfs(block)),
          min(V::Mul(V::LoadHalfs(block + 32), V::BroadcastFloat(-1.0f))) {}
  };

  struct Q4_0 : OneScale<OneHalf> {
    static constexpr int kParts = 1, kBlockBytes = 18, kOffset = 8;
    static constexpr int kScales = 1;
    static constexpr int kMins = 0;
    using Head = OneHalf;
    template <int, int kWord>
    static Ints Bytes(const std::byte* block) {
      return Nibbles<kWord>(block + 32);
    }
  };

  struct Q4_1 : OneScale<TwoHalfs> {
    static constexpr int kParts = 1, kBlockBytes = 20, kOffset = 0;
    static constexpr int kScales = 1;
    static constexpr int kMins = 1;
    using Head = TwoHalfs;
    template <int, int kWord>
    static Ints Bytes(const std::byte* block) {
      return Nibbles<kWord>(block + 64);
    }
  };

  struct Q5_0 : OneScale<OneHalf> {
    static constexpr int kParts = 1, kBlockBytes = 22, kOffset = 16;
    static constexpr int kScales = 1;
    static constexpr int kMins = 0;
    using Head = OneHalf;
    template <int, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::Or(Nibbles<kWord>(block + 96),
                   V::template FifthBits<kWord>(Word(block + 32, 0)));
    }
  };

  struct Q5_1 : OneScale<TwoHalfs> {
    static constexpr int kParts = 1, kBlockBytes = 24, kOffset = 0;
    static constexpr int kScales = 1;
    static constexpr int kMins = 1;
    using Head = TwoHalfs;
    template <int, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::Or(Nibbles<kWord>(block + 128),
                   V::template FifthBits<kWord>(Word(block + 64, 0)));
    }
  };

  struct Q8_0 : OneScale<OneHalf> {
    static constexpr int kParts = 1, kBlockBytes = 34, kOffset = 128;
    static constexpr int kScales = 1;
    static constexpr int kMins = 0;
    using Head = OneHalf;
    template <int, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::Xor(Word(block + 32, kWord), V::BroadcastByte(128));
    }
  };

  struct IQ4_NL : OneScale<OneHalf> {
    static constexpr int kParts = 1, kBlockBytes = 18, kOffset = kIQ4Offset;
    static constexpr int kScales = 1;
    static constexpr int kMins = 0;
    using Head = OneHalf;
    template <int, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::LookUp(kIQ4Raised.data(), Nibbles<kWord>(block + 32));
    }
  };

  struct PowerOfTwo {
    Floats scale;
    explicit PowerOfTwo(const std::byte* block)
        : scale(V::HalvedPower(V::WidenBytes(block))) {}
  };
  struct MXFP4 : OneScale<PowerOfTwo> {
    static constexpr int kParts = 1, kBlockBytes = 17, kOffset = kMXFP4Offset;
    static constexpr int kScales = 1;
    static constexpr int kMins = 0;
    using Head = PowerOfTwo;
    template <int, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::LookUp(kMXFP4Raised.data(), Nibbles<kWord>(block + 16));
    }
  };

  // The 8 scales and minima of Q4_K and Q5_K, a byte each.
  struct SixBits {
    Floats d, dmin;
    Ints scales[2], mins[2];  // of parts 0-3 and 4-7
    explicit SixBits(const std::byte* block)
        : d(V::LoadHalfs(block)), dmin(V::LoadHalfs(block + 32)) {
      const Ints w0 = Word(block + 64, 0), w1 = Word(block + 64, 1);
      const Ints w2 = Word(block + 64, 2);
      scales[0] = Bits<0, 63>(w0);
      mins[0] = Bits<0, 63>(w1);
      scales[1] = V::Or(Bits<0, 15>(w2), Bits<2, 48>(w0));
      mins[1] = V::Or(Bits<4, 15>(w2), Bits<2, 48>(w1));
    }
  };
  struct SixBitScales {
    static constexpr int kScales = 1;
    static constexpr int kMins = 1;
    using Head = SixBits;
    template <int kPart>
    static Floats Scale(const SixBits& head, int) {
      return V::Mul(
          head.d, V::ToFloats(ByteOfLanes<kPart % 4>(head.scales[kPart / 4])));
    }
    template <int kPart>
    static Floats Min(const SixBits& head, int) {
      return V::Mul(head.dmin,
                    V::ToFloats(ByteOfLanes<kPart % 4>(head.mins[kPart / 4])));
    }
  };

  // High nibbles stay where they are, 16 times too large, and their scales are
  // 16 times too small, which is exact: it saves the shifts.
  struct Q4_K : SixBitScales {
    static constexpr int kParts = 8, kBlockBytes = 144, kOffset = 0;
    template <int kPart, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::And(Word(block + 256, kPart / 2 * 8 + kWord),
                    V::BroadcastByte(kPart % 2 == 0 ? 0x0f : 0xf0));
    }
    template <int kPart>
    static Floats Scale(const SixBits& head, int k) {
      const Floats scale = SixBitScales::template Scale<kPart>(head, k);
      if constexpr (kPart % 2 == 0) return scale;
      return V::Mul(scale, V::BroadcastFloat(1.0f / 16));
    }
  };

  struct Q5_K : SixBitScales {
    static constexpr int kParts = 8, kBlockBytes = 176, kOffset = 0;
    template <int kPart, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::Or(
          Bits<kPart % 2 * 4, 15>(Word(block + 768, kPart / 2 * 8 + kWord)),
          Bit<kPart, 4>(Word(block + 256, kWord)));
    }
  };

  // Quants of 2 bits and factors of 4: their products are at most 45.
  struct Q2_K {
    static constexpr int kParts = 8, kBlockBytes = 84, kOffset = 0;
    static constexpr int kScales = 1, kMins = 2, kProductOffset = 0;
    struct Head {
      Floats d, dmin;
      Ints factors[4], mins[4];
      explicit Head(const std::byte* block)
          : d(V::LoadHalfs(block + 1280)), dmin(V::LoadHalfs(block + 1312)) {
        for (int i = 0; i < 4; ++i) {
          factors[i] = Bits<0, 15>(Word(block, i));
          mins[i] = Bits<4, 15>(Word(block, i));
        }
      }
    };
    template <int kPart, int kWord>
    static Ints Bytes(const std::byte* block) {
      return Bits<kPart % 4 * 2, 3>(Word(block + 256, kPart / 4 * 8 + kWord));
    }
    template <int kPart>
    static Floats Scale(const Head& head, int) {
      return head.d;
    }
    template <int kPart>
    static Ints Factor(const Head& head, int k) {
      return OfHalf<kPart>(head.factors[kPart / 2], k);
    }
    template <int kPart>
    static Floats Min(const Head& head, int k) {
      return V::Mul(head.dmin,
                    V::ToFloats(OfHalf<kPart>(head.mins[kPart / 2], k)));
    }
    template <int kPart>
    static Ints OfHalf(Ints words, int k) {
      return k == 0 ? ByteOfLanes<kPart % 2 * 2>(words)
                    : ByteOfLanes<kPart % 2 * 2 + 1>(words);
    }
  };

  // The signed byte for 16 elements of a part, of one for every 16.
  template <int kPart>
  static Ints SignedOfHalf(const Ints (&words)[4], int k) {
    return k == 0 ? SignedByteOfLanes<kPart % 2 * 2>(words[kPart / 2])
                  : SignedByteOfLanes<kPart % 2 * 2 + 1>(words[kPart / 2]);
  }

  // Quants from -4 to 3 and factors from -32 to 31: their products are in
  // [-124, 128].
  struct Q3_K {
    static constexpr int kParts = 8, kBlockBytes = 110, kOffset = 4;
    static constexpr int kScales = 1, kMins = 0, kProductOffset = 124;
    struct Head {
      Floats d;
      Ints factors[4];
      explicit Head(const std::byte* block) : d(V::LoadHalfs(block + 1728)) {
        const std::byte* packed = block + 1536;
        const Ints w0 = Word(packed, 0), w1 = Word(packed, 1);
        const Ints upper = Word(packed, 2);
        factors[0] = Signed(Bits<0, 15>(w0), TwoBitsAt4<0>(upper));
        factors[1] = Signed(Bits<0, 15>(w1), TwoBitsAt4<2>(upper));
        factors[2] = Signed(Bits<4, 15>(w0), TwoBitsAt4<4>(upper));
        factors[3] = Signed(Bits<4, 15>(w1), TwoBitsAt4<6>(upper));
      }
      // 6 bits, 32 too much, as a signed byte: with bit 5 turned round, bits 5
      // to 7 are the sign.
      static Ints Signed(Ints low, Ints upper) {
        const Ints turned = V::Xor(V::Or(low, upper), V::BroadcastByte(32));
        const Ints sign = V::And(turned, V::BroadcastByte(32));
        return V::Or(turned, V::Or(V::template Left<1>(sign),
                                   V::template Left<2>(sign)));
      }
    };
    template <int kPart, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::Or(
          Bits<kPart % 4 * 2, 3>(Word(block + 512, kPart / 4 * 8 + kWord)),
          Bit<kPart, 2>(Word(block, kWord)));
    }
    template <int kPart>
    static Floats Scale(const Head& head, int) {
      return head.d;
    }
    template <int kPart>
    static Ints Factor(const Head& head, int k) {
      return SignedOfHalf<kPart>(head.factors, k);
    }
  };

  struct Q6_K {
    static constexpr int kParts = 8, kBlockBytes = 210, kOffset = 32;
    static constexpr int kScales = 2, kMins = 0;
    struct Head {
      Floats d;
      Ints scales[4];
      explicit Head(const std::byte* block)
          : d(V::LoadHalfs(block + 52 * kWordBytes)) {
        for (int i = 0; i < 4; ++i) scales[i] = Word(block, 48 + i);
      }
    };
    template <int kPart, int kWord>
    static Ints Bytes(const std::byte* block) {
      constexpr int kHalf = kPart / 4, kIn = kPart % 4;
      const Ints low = Word(block, kHalf * 16 + kIn % 2 * 8 + kWord);
      const Ints high = Word(block, 32 + kHalf * 8 + kWord);
      return V::Or(Bits<kIn / 2 * 4, 15>(low), TwoBitsAt4<2 * kIn>(high));
    }
    template <int kPart>
    static Floats Scale(const Head& head, int k) {
      return V::Mul(head.d, V::ToFloats(SignedOfHalf<kPart>(head.scales, k)));
    }
  };

  struct IQ4_XS {
    static constexpr int kParts = 8, kBlockBytes = 136, kOffset = kIQ4Offset;
    static constexpr int kScales = 1;
    static constexpr int kMins = 0;
    struct Head {
      Floats d;
      Ints low, upper;
      explicit Head(const std::byte* block)
          : d(V::LoadHalfs(block)),
            low(Word(block + 64, 0)),
            upper(V::WidenHalfWords(block + 32)) {}
    };
    template <int kPart, int kWord>
    static Ints Bytes(const std::byte* block) {
      return V::LookUp(kIQ4Raised.data(),
                       Nibbles<kWord>(block + 128 + kPart * 256));
    }
    template <int kPart>
    static Floats Scale(const Head& head, int) {
      const Ints low =
          V::And(V::template Right<4 * kPart>(head.low), V::Broadcast(15));
      const Ints upper =
          V::And(V::template Right<2 * kPart>(head.upper), V::Broadcast(3));
      const Ints scale =
          V::Sub(V::Or(low, V::template Left<4>(upper)), V::Broadcast(32));
      return V::Mul(head.d, V::ToFloats(scale));
    }
  };
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PRODUCT_TYPES_VNNI_H_
