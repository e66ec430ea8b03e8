// Weights of a few tiles spread out as bytes, for products of many tokens. See
// product_vnni_many.h.

#ifndef SHOAL_KERNELS_PANEL_VNNI_H_
#define SHOAL_KERNELS_PANEL_VNNI_H_

#include <utility>

#include "kernels/product_types_vnni.h"
#include "kernels/tile.h"

namespace shoal::kernels {
namespace {

// The columns of a panel, in parts of 32.
constexpr int kPanelParts = 16;

// N tiles. A part has so many scales and minima; or some parts share a scale.
// `kOffsetOfBytes` is what to take off each byte.
template <int N, int kScalesOfPart, int kMinsOfPart, int kPartsOfScale,
          int kOffsetOfBytes>
struct Panel {
  static constexpr int kTiles = N;
  static constexpr int kPartsUnderScale = kPartsOfScale;
  static constexpr int kScales = kScalesOfPart;
  static constexpr int kMins = kMinsOfPart;
  static constexpr int kWords = 8 / kScales;  // under one scale
  static constexpr int kOffset = kOffsetOfBytes;

  int parts;
  // [part][tile][word][row][4]
  alignas(64) std::byte bytes[kPanelParts * N * 8 * kWordBytes];
  // [part][scale][tile][row], where it begins with that part
  alignas(64) float scales[kPanelParts * kScales * N * kTileRows];
  // The first of each part times kRaised; not where parts share a scale.
  alignas(64) float raised[kPanelParts * N * kTileRows];
  alignas(64) float mins[kPanelParts * kMins * N * kTileRows + 1];
};

// What to take off each byte of a panel of this type.
template <typename Type>
constexpr int PanelOffset() {
  if constexpr (HasFactors<Type>) return Type::kProductOffset;
  return Type::kOffset;
}

// Fills a panel from blocks of one type.
template <typename V, typename Type, typename PanelOfType>
struct Spreader {
  using Ints = typename V::Ints;

  // The parts from `first` on of tile `n`, whole blocks of them.
  static void Spread(const Tile& tile, int first, int n, std::byte* scratch,
                     PanelOfType& panel) {
    for (int part = 0; part < panel.parts; part += Type::kParts) {
      const std::byte* block =
          BlockAt(tile, static_cast<uint64_t>((first + part) / Type::kParts), 1,
                  Type::kBlockBytes, scratch);
      SpreadBlock(block, part, n, panel,
                  std::make_integer_sequence<int, Type::kParts>());
    }
  }

 private:
  template <int... kPart>
  static inline void SpreadBlock(const std::byte* block, int part, int n,
                                 PanelOfType& panel,
                                 std::integer_sequence<int, kPart...>) {
    const typename Type::Head head(block);
    (SpreadPart<kPart>(block, head, part + kPart, n, panel), ...);
  }
  template <int kPart>
  static inline void SpreadPart(const std::byte* block,
                                const typename Type::Head& head, int part,
                                int n, PanelOfType& panel) {
    constexpr int kTiles = PanelOfType::kTiles;
    std::byte* bytes = panel.bytes + (part * kTiles + n) * 8 * kWordBytes;
    if constexpr (HasFactors<Type>) {
      SpreadProducts<kPart, 0>(block, head, bytes);
      SpreadProducts<kPart, 1>(block, head, bytes + 4 * kWordBytes);
    } else {
      SpreadWords<kPart>(block, bytes, std::make_integer_sequence<int, 8>());
    }
    constexpr bool kHasScale = kPart % PanelOfType::kPartsUnderScale == 0;
    for (int k = 0; k < (kHasScale ? Type::kScales : 0); ++k) {
      const int at = ((part * Type::kScales + k) * kTiles + n) * kTileRows;
      const auto scale = Type::template Scale<kPart>(head, k);
      V::StoreFloats(scale, panel.scales + at);
      if (k == 0 && PanelOfType::kPartsUnderScale == 1) {
        V::StoreFloats(V::Mul(scale, V::BroadcastFloat(kRaised)),
                       panel.raised + (part * kTiles + n) * kTileRows);
      }
    }
    if constexpr (Type::kMins > 0) {
      for (int k = 0; k < Type::kMins; ++k) {
        const int at = ((part * Type::kMins + k) * kTiles + n) * kTileRows;
        V::StoreFloats(Type::template Min<kPart>(head, k), panel.mins + at);
      }
    }
  }
  template <int kPart, int... kWord>
  static inline void SpreadWords(const std::byte* block, std::byte* to,
                                 std::integer_sequence<int, kWord...>) {
    (V::Store(Type::template Bytes<kPart, kWord>(block),
              to + kWord * kWordBytes),
     ...);
  }
  // Of 16 elements. Bytes are multiplied where they are, two at once if their
  // products are unsigned bytes.
  template <int kPart, int kHalf>
  static inline void SpreadProducts(const std::byte* block,
                                    const typename Type::Head& head,
                                    std::byte* to) {
    const Ints factor = Type::template Factor<kPart>(head, kHalf);
    const Ints factors = V::CopyLowHalf(factor);
    const auto put = [&](auto product) {
      constexpr int kWord = 4 * kHalf;
      V::Store(product(Type::template Bytes<kPart, kWord>(block)), to);
      V::Store(product(Type::template Bytes<kPart, kWord + 1>(block)),
               to + kWordBytes);
      V::Store(product(Type::template Bytes<kPart, kWord + 2>(block)),
               to + 2 * kWordBytes);
      V::Store(product(Type::template Bytes<kPart, kWord + 3>(block)),
               to + 3 * kWordBytes);
    };
    if constexpr (Type::kOffset == 0 && Type::kProductOffset == 0) {
      put([&](Ints quants) { return V::TimesHalves(quants, factors); });
    } else {
      const Ints offset =
          V::CopyLowByte(V::Sub(V::Broadcast(Type::kProductOffset),
                                V::Times(factor, V::Broadcast(Type::kOffset))));
      put([&](Ints quants) {
        return V::AddBytes(TimesBytes(quants, factors), offset);
      });
    }
  }
  // The lowest 8 bits of products, every other byte at a time: they depend on
  // nothing above its byte.
  static inline Ints TimesBytes(Ints bytes, Ints factors) {
    const Ints even = V::Broadcast(0x00ff00ff);
    return V::Or(V::And(V::TimesHalves(bytes, factors), even),
                 V::TimesHalves(V::AndNot(even, bytes), factors));
  }
};

// Brings the weights of the next panel near while this one is multiplied: a few
// lines with each group of tokens, because a burst of requests would keep the
// core from the loads that it waits for.
template <int N>
class PanelPrefetch {
 public:
  // The panel has `bytes` of each tile, those of tile n from first + n * stride
  // on, and is wanted after `steps` calls of Step().
  PanelPrefetch(const std::byte* first, uint64_t stride, uint64_t bytes,
                uint32_t steps)
      : at_(first),
        end_(first + bytes),
        stride_(stride),
        step_((bytes / 64 / steps + 1) * 64) {}

  void Step() {
    const std::byte* stop = at_ + step_ < end_ ? at_ + step_ : end_;
    for (; at_ < stop; at_ += 64) {
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) {
        _mm_prefetch(at_ + static_cast<uint64_t>(n) * stride_, _MM_HINT_T1);
      }
    }
  }

 private:
  const std::byte* at_;
  const std::byte* const end_;
  const uint64_t stride_, step_;
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PANEL_VNNI_H_
