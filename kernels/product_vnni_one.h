// One token against one tile, straight from the blocks: memory binds, and
// every byte of it is used once. See product_vnni.h.

#ifndef SHOAL_KERNELS_PRODUCT_VNNI_ONE_H_
#define SHOAL_KERNELS_PRODUCT_VNNI_ONE_H_

#include <utility>

#include "kernels/a8_rows.h"
#include "kernels/prefetch_x86.h"
#include "kernels/product_types_vnni.h"
#include "kernels/tile.h"

namespace shoal::kernels {
namespace {

// How far ahead of the block that is multiplied memory is asked for, where the
// processor does not follow rows fast enough by itself (prefetch_x86.h).
constexpr uint32_t kVnniPrefetchBytes = 3072;

template <typename V, typename Type>
struct OneToken {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  // Of the products of a part.
  static constexpr int kSums = HasFactors<Type> ? 2 : Type::kScales;

  static void Dot(const Tile& tile, const ActivationView& input,
                  const ProductOutput& output, std::byte* scratch) {
    constexpr uint32_t kBytes = Type::kBlockBytes * kTileRows;
    A8Rows rows(input, 0);
    Floats acc = V::BroadcastFloat(0.0f);
    const bool full = tile.rows == kTileRows;
    const Prefetcher prefetcher(tile, kVnniPrefetchBytes);
    for (uint64_t block = 0; block < rows.blocks / Type::kParts; ++block) {
      const std::byte* data =
          full ? tile.data + block * kBytes
               : BlockAt(tile, block, 1, Type::kBlockBytes, scratch);
      acc = AddBlock(data, prefetcher, rows, acc,
                     std::make_integer_sequence<int, Type::kParts>());
      rows.Skip(Type::kParts);
    }
    float results[kTileRows];
    V::StoreFloats(acc, results);
    WriteTile(tile, output, 0, results);
  }

 private:
  // Of the activations that a block meets: what its offset takes off, and what
  // its minima multiply, with the activations' scale where there are factors.
  // Blocks of 8 parts do it for all at once.
  class Sums {
   public:
    static_assert(!HasFactors<Type> || Type::kMins == 0 || Type::kMins == 2);
    explicit Sums(const A8Rows& rows) {
      for (int i = 0; i < Type::kParts * kSums; ++i) {
        if constexpr (Type::kOffset != 0) {
          starts_[i] = kBegin - Type::kOffset *
                                    rows.SumOf<kSums>(0, i / kSums, i % kSums);
        }
      }
      if constexpr (HasFactors<Type> && Type::kMins == 2) {
        V::StoreFloats(
            V::Mul(V::ToFloats(V::Widen(rows.sums)), V::LoadTwice(rows.scales)),
            sums_);
      } else {
        for (int i = 0; i < Type::kParts * Type::kMins; ++i) {
          constexpr int kMins = Type::kMins > 0 ? Type::kMins : 1;
          sums_[i] =
              static_cast<float>(rows.SumOf<kMins>(0, i / kMins, i % kMins));
        }
      }
    }
    int32_t start(int part, int k) const {
      return Type::kOffset == 0 ? kBegin : starts_[part * kSums + k];
    }
    float sum(int part, int k) const { return sums_[part * Type::kMins + k]; }

   private:
    static constexpr int kBegin = HasFactors<Type> ? 0 : kRaisedBits;
    int32_t starts_[Type::kParts * kSums];
    float sums_[Type::kParts * (Type::kMins > 0 ? Type::kMins : 1)];
  };

  template <int... kPart>
  static inline Floats AddBlock(const std::byte* data,
                                const Prefetcher& prefetcher,
                                const A8Rows& rows, Floats acc,
                                std::integer_sequence<int, kPart...>) {
    const typename Type::Head head(data);
    const Sums sums(rows);
    const std::byte* ahead = prefetcher.AheadOf(data);
    if constexpr (HasFactors<Type>) {
      Floats parts = V::BroadcastFloat(0.0f);
      ((parts = AddFactored<kPart>(data, prefetcher, ahead, rows, head, sums,
                                   parts)),
       ...);
      acc = V::MulAdd(parts, Type::template Scale<0>(head, 0), acc);
      ((acc = SubtractMins<kPart>(head, sums, acc)), ...);
    } else {
      ((acc = AddPart<kPart>(data, prefetcher, ahead, head, rows, sums, acc)),
       ...);
    }
    return acc;
  }

  template <int kPart>
  static inline Floats AddPart(const std::byte* data,
                               const Prefetcher& prefetcher,
                               const std::byte* ahead,
                               const typename Type::Head& head,
                               const A8Rows& rows, const Sums& sums,
                               Floats acc) {
    if (ahead != nullptr) Prefetch<kPart>(prefetcher, ahead, data);
    const Floats activation_scale = V::BroadcastFloat(rows.scales[kPart]);
    const Ints products = Products<kPart, 0>(data, rows, sums);
    const Floats scale = Type::template Scale<kPart>(head, 0);
    Floats scaled =
        V::MulBits(products, scale, V::Mul(scale, V::BroadcastFloat(kRaised)));
    if constexpr (Type::kScales == 2) {
      const Ints others = Products<kPart, 1>(data, rows, sums);
      scaled = V::MulAdd(V::SubBits(others, V::BroadcastFloat(kRaised)),
                         Type::template Scale<kPart>(head, 1), scaled);
    }
    scaled = SubtractMins<kPart>(head, sums, scaled);
    return V::MulAdd(scaled, activation_scale, acc);
  }

  // A part of a block with one float for all: without that.
  template <int kPart>
  static inline Floats AddFactored(const std::byte* data,
                                   const Prefetcher& prefetcher,
                                   const std::byte* ahead, const A8Rows& rows,
                                   const typename Type::Head& head,
                                   const Sums& sums, Floats parts) {
    if (ahead != nullptr) Prefetch<kPart>(prefetcher, ahead, data);
    const Ints first = V::Times(Products<kPart, 0>(data, rows, sums),
                                Type::template Factor<kPart>(head, 0));
    const Ints second = V::Times(Products<kPart, 1>(data, rows, sums),
                                 Type::template Factor<kPart>(head, 1));
    return V::MulAdd(V::ToFloats(V::Add(first, second)),
                     V::BroadcastFloat(rows.scales[kPart]), parts);
  }

  template <int kPart>
  static inline Floats SubtractMins(const typename Type::Head& head,
                                    const Sums& sums, Floats from) {
    if constexpr (Type::kMins > 0) {
      for (int m = 0; m < Type::kMins; ++m) {
        from = V::MulSub(Type::template Min<kPart>(head, m),
                         V::BroadcastFloat(sums.sum(kPart, m)), from);
      }
    }
    return from;
  }

  // A part's share of the block, evenly: a burst of requests would keep the
  // core from the loads that it waits for.
  template <int kPart>
  [[gnu::always_inline]] static inline void Prefetch(
      const Prefetcher& prefetcher, const std::byte* ahead,
      const std::byte* data) {
    constexpr uint32_t kBytes = Type::kBlockBytes * kTileRows / Type::kParts;
    constexpr uint32_t kBegin = (kPart * kBytes + 63) / 64 * 64;
    for (uint32_t at = kBegin; at < (kPart + 1) * kBytes; at += 64) {
      prefetcher.Request(ahead, data, at);
    }
  }

  // Sum k of a part, from its start on.
  template <int kPart, int k>
  static inline Ints Products(const std::byte* data, const A8Rows& rows,
                              const Sums& sums) {
    constexpr int kWords = 8 / kSums;
    return AddWords<kPart, k % kSums * kWords>(
        data, rows, V::Broadcast(sums.start(kPart, k)),
        std::make_integer_sequence<int, kWords>());
  }

  template <int kPart, int kFirst, int... kWord>
  static inline Ints AddWords(const std::byte* data, const A8Rows& rows,
                              Ints sums, std::integer_sequence<int, kWord...>) {
    ((sums = V::DotBroadcast(
          sums, Type::template Bytes<kPart, kFirst + kWord>(data),
          rows.quants + kPart * kA8BlockElements + 4 * (kFirst + kWord))),
     ...);
    return sums;
  }
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PRODUCT_VNNI_ONE_H_
