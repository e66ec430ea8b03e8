// Many tokens: the parts of a few tiles are spread out as bytes, once for up to
// 128 tokens, and then multiplied in blocks of registers. Arithmetic binds. See
// product_vnni.h.

#ifndef SHOAL_KERNELS_PRODUCT_VNNI_MANY_H_
#define SHOAL_KERNELS_PRODUCT_VNNI_MANY_H_

#include <cstring>

#include "kernels/a8_rows.h"
#include "kernels/panel_vnni.h"
#include "kernels/tile.h"

namespace shoal::kernels {
namespace {

constexpr uint32_t kManyTokensMax = 128;

// A panel times tokens, added to acc [tokens, tiles, 16].
template <typename V, typename PanelOfType>
struct PanelProduct {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int N = PanelOfType::kTiles;
  static constexpr int kScales = PanelOfType::kScales;
  static constexpr int kWords = PanelOfType::kWords;
  static constexpr int kMins = PanelOfType::kMins;
  static constexpr int kPartsUnderScale = PanelOfType::kPartsUnderScale;
  static constexpr int kOffset = PanelOfType::kOffset;
  // Else one token would have to add in another order.
  static_assert(kScales == 1 || kMins == 0);
  static_assert(kOffset >= 0 && kOffset <= 128);  // TimesLowHalves()
  static constexpr int kSumsOfToken = kMins == 0 ? 1 : kPanelParts * kMins;

  // `size` tokens from `token` on, 1 to T of them, added to acc, or put there
  // with the first panel. After the last one the sums go to rows [row,
  // row + 16 N) of `output` instead, where it is not null.
  template <int T>
  static void Add(uint32_t size, const PanelOfType& panel,
                  const ActivationView& input, uint32_t token, int first,
                  float* acc, const ProductOutput* output, uint32_t row) {
    if constexpr (T > 0) {
      if (size == T) {
        AddGroup<T>(panel, input, token, first, acc, output, row);
      } else {
        Add<T - 1>(size, panel, input, token, first, acc, output, row);
      }
    }
  }

 private:
  // What a group of tokens brings to a panel, for each scale of each part.
  template <int T>
  class Group {
   public:
    Group(const ActivationView& input, uint32_t token, int first,
          const PanelOfType& panel)
        : rows_(input, token) {
      rows_.Skip(static_cast<uint64_t>(first));
      // Vectors of the last tokens may reach beyond all there is.
      const uint64_t blocks =
          (input.tokens - token) * rows_.blocks - static_cast<uint64_t>(first);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const uint64_t at = static_cast<uint64_t>(t) * rows_.blocks;
        if (at + kPanelParts <= blocks) {
          Take(t, rows_.scales + at, rows_.sums + 2 * at);
        } else {
          TakeLast(t, rows_.scales + at, rows_.sums + 2 * at, panel.parts);
        }
      }
    }

    // Lets the sums of part and scale `index` begin: raised, less what the
    // bytes' offset adds.
    [[gnu::always_inline]] void Begin(int index, Ints (&ints)[T][N]) const {
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const Ints start =
            V::Broadcast(kOffset == 0 ? kRaisedBits : starts_[t][index]);
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) ints[t][n] = start;
      }
    }
    Floats scale(int token, int part) const {
      return V::BroadcastFloat(scales_[token][part]);
    }
    // What a minimum multiplies: a sum of quants, with its scale if parts share
    // one.
    Floats sum(int token, int min) const {
      return V::BroadcastFloat(sums_[token][min]);
    }

    const A8Rows& rows() const { return rows_; }

   private:
    // 16 parts, whether the panel has as many or not.
    [[gnu::always_inline]] void Take(int t, const float* scales,
                                     const int16_t* sums) {
      V::StoreFloats(V::LoadFloats(scales), scales_[t]);
      for (int i = 0; i < (kOffset == 0 ? 0 : kScales); ++i) {
        const Ints taken =
            V::TimesLowHalves(SumsOf<kScales>(sums, i), V::Broadcast(kOffset));
        V::StoreInts(V::Sub(V::Broadcast(kRaisedBits), taken),
                     &starts_[t][16 * i]);
      }
      for (int i = 0; i < kMins; ++i) {
        Floats floats = V::ToFloats(SumsOf<kMins>(sums, i));
        if constexpr (kPartsUnderScale > 1) {
          floats = V::Mul(floats, V::LoadTwice(scales + 8 * i));
        }
        V::StoreFloats(floats, &sums_[t][16 * i]);
      }
    }
    [[gnu::noinline]] void TakeLast(int t, const float* scales,
                                    const int16_t* sums, int parts) {
      float scales_of_16[kPanelParts] = {};
      int16_t sums_of_16[2 * kPanelParts] = {};
      const auto count = static_cast<size_t>(parts);
      std::memcpy(scales_of_16, scales, count * sizeof(float));
      std::memcpy(sums_of_16, sums, 2 * count * sizeof(int16_t));
      Take(t, scales_of_16, sums_of_16);
    }
    // Vector i of the sums that a part has so many of.
    template <int kCount>
    static Ints SumsOf(const int16_t* sums, int i) {
      if constexpr (kCount == 1) return V::SumPairs(sums);
      return V::Widen(sums + 16 * i);
    }

    A8Rows rows_;
    alignas(64) int32_t starts_[T][kOffset == 0 ? 1 : kPanelParts * kScales];
    alignas(64) float scales_[T][kPanelParts];
    alignas(64) float sums_[T][kSumsOfToken];
  };

  // T tokens: this is where prefill spends its time. Inlined, it would have
  // fewer registers.
  template <int T>
  [[gnu::noinline]] static void AddGroup(const PanelOfType& panel,
                                         const ActivationView& input,
                                         uint32_t token, int first, float* acc,
                                         const ProductOutput* output,
                                         uint32_t row) {
    const Group<T> group(input, token, first, panel);
    Floats sum[T][N];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        sum[t][n] = first == 0 ? V::BroadcastFloat(0.0f)
                               : V::LoadFloats(acc + (t * N + n) * kTileRows);
      }
    }
    for (int part = 0; part < panel.parts; part += kPartsUnderScale) {
      if constexpr (kPartsUnderScale > 1) {
        AddParts<T>(panel, group, part, sum);
      } else {
        AddPart<T>(panel, group, part, sum);
      }
    }
    if (output != nullptr) return Write<T>(sum, *output, token, row);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        V::StoreFloats(sum[t][n], acc + (t * N + n) * kTileRows);
      }
    }
  }

  // Straight from the registers.
  template <int T>
  [[gnu::always_inline]] static void Write(const Floats (&sum)[T][N],
                                           const ProductOutput& output,
                                           uint64_t token, uint32_t row) {
    const uint64_t at = token * output.stride + row;
    const auto each = [&](auto* to, auto put) {
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) put(sum[t][n], to + n * kTileRows);
        to += output.stride;
      }
    };
    switch (output.mode) {
      case ProductOutput::Mode::kStore:
        return each(static_cast<float*>(output.data) + at,
                    [](Floats value, float* to) { V::StoreFloats(value, to); });
      case ProductOutput::Mode::kAdd:
        return each(static_cast<float*>(output.data) + at,
                    [](Floats value, float* to) { V::AddTo(value, to); });
      case ProductOutput::Mode::kAddF64:
        return each(static_cast<double*>(output.data) + at,
                    [](Floats value, double* to) { V::AddTo(value, to); });
    }
  }

  template <int T>
  [[gnu::always_inline]] static void AddPart(const PanelOfType& panel,
                                             const Group<T>& group, int part,
                                             Floats (&sum)[T][N]) {
    Floats scaled[T][N];
#pragma GCC unroll 2
    for (int k = 0; k < kScales; ++k) {
      AddScale<T>(panel, group, part, k, scaled);
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const Floats activation_scale = group.scale(t, part);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        sum[t][n] = V::MulAdd(scaled[t][n], activation_scale, sum[t][n]);
      }
    }
  }

  // Parts under one scale: they are added up before it multiplies.
  template <int T>
  [[gnu::always_inline]] static void AddParts(const PanelOfType& panel,
                                              const Group<T>& group, int first,
                                              Floats (&sum)[T][N]) {
    const A8Rows& rows = group.rows();
    Floats parts[T][N];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) parts[t][n] = V::BroadcastFloat(0.0f);
    }
#pragma GCC unroll 1
    for (int part = first; part < first + kPartsUnderScale; ++part) {
      Ints ints[T][N];
      group.Begin(part, ints);
      V::template AddWords<kWords>(panel.bytes + part * N * 8 * kWordBytes,
                                   rows.quants + part * kA8BlockElements,
                                   rows.cols, ints);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const Floats activation_scale = group.scale(t, part);
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) {
          parts[t][n] =
              V::MulAdd(V::SubBits(ints[t][n], V::BroadcastFloat(kRaised)),
                        activation_scale, parts[t][n]);
        }
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        sum[t][n] =
            V::MulAdd(parts[t][n],
                      V::LoadFloats(panel.scales + (first * N + n) * kTileRows),
                      sum[t][n]);
      }
    }
#pragma GCC unroll 1
    for (int m = first * kMins; m < (first + kPartsUnderScale) * kMins; ++m) {
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const Floats activations = group.sum(t, m);
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) {
          sum[t][n] =
              V::MulSub(V::LoadFloats(panel.mins + (m * N + n) * kTileRows),
                        activations, sum[t][n]);
        }
      }
    }
  }

  // Puts what stands under the first scale of a part to `scaled`, and adds what
  // stands under the second.
  template <int T>
  [[gnu::always_inline]] static void AddScale(const PanelOfType& panel,
                                              const Group<T>& group, int part,
                                              int k, Floats (&scaled)[T][N]) {
    const A8Rows& rows = group.rows();
    const int index = part * kScales + k;
    Ints ints[T][N];
    group.Begin(index, ints);
    V::template AddWords<kWords>(
        panel.bytes + (part * N * 8 + k * kWords) * kWordBytes,
        rows.quants + part * kA8BlockElements + 4 * k * kWords, rows.cols,
        ints);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const int at = (index * N + n) * kTileRows;
        const Floats scale = V::LoadFloats(panel.scales + at);
        if (k > 0) {
          scaled[t][n] =
              V::MulAdd(V::SubBits(ints[t][n], V::BroadcastFloat(kRaised)),
                        scale, scaled[t][n]);
          continue;
        }
        scaled[t][n] = V::MulBits(
            ints[t][n], scale,
            V::LoadFloats(panel.raised + (part * N + n) * kTileRows));
        if constexpr (kMins > 0) {
#pragma GCC unroll 2
          for (int m = 0; m < kMins; ++m) {
            const int min = part * kMins + m;
            scaled[t][n] =
                V::MulSub(V::LoadFloats(panel.mins + (min * N + n) * kTileRows),
                          group.sum(t, min), scaled[t][n]);
          }
        }
      }
    }
  }
};

// N tiles from `row` on of the rows up to `row_end`, tokens [token, token +
// count), count <= kManyTokensMax.
template <typename V, typename Type, int N>
void DotMany(const WeightMatrix& weights, const TypeEntry& entry, uint32_t row,
             uint32_t row_end, const ActivationView& input, uint32_t token,
             uint32_t count, const ProductOutput& output) {
  using PanelOfType =
      Panel<N, Type::kScales, Type::kMins, HasFactors<Type> ? Type::kParts : 1,
            PanelOffset<Type>()>;
  using PanelSpreader = Spreader<V, Type, PanelOfType>;
  constexpr int kTokens =
      Type::kScales == 2 ? V::kTokensOfTwoScales : V::kTokens;
  alignas(64) std::byte scratch[N][kTileScratchBytes];
  alignas(64) float acc[kManyTokensMax * N * kTileRows];
  Tile tiles[N];
  for (uint32_t n = 0; n < N; ++n) {
    tiles[n] = TileAt(weights, entry, row + n * kTileRows, row_end, scratch[n]);
  }
  PanelOfType panel;
  const auto parts = static_cast<int>(input.cols / kA8BlockElements);
  const auto bytes_of = [](int parts_of_tile) {
    return static_cast<uint64_t>(parts_of_tile / Type::kParts) *
           Type::kBlockBytes * kTileRows;
  };
  for (int first = 0; first < parts; first += kPanelParts) {
    panel.parts = parts - first < kPanelParts ? parts - first : kPanelParts;
    const bool is_last = first + kPanelParts >= parts;
    const bool writes = is_last && tiles[N - 1].rows == kTileRows;
    uint32_t groups = (count + kTokens - 1) / kTokens;
    PanelPrefetch<N> next(
        AheadAt(tiles[0].ahead,
                tiles[0].data +
                    bytes_of(is_last ? N * parts : first + kPanelParts)),
        bytes_of(parts), bytes_of(kPanelParts), groups);
    for (int n = 0; n < N; ++n) {
      PanelSpreader::Spread(tiles[n], first, n, scratch[n], panel);
    }
    for (uint32_t done = 0; done < count; --groups) {
      next.Step();
      // Groups as equal as can be: a small one would keep the core waiting.
      const uint32_t size = (count - done + groups - 1) / groups;
      float* sums = acc + done * N * kTileRows;
      PanelProduct<V, PanelOfType>::template Add<kTokens>(
          size, panel, input, token + done, first, sums,
          writes ? &output : nullptr, row);
      if (is_last && !writes) {
        for (uint32_t i = 0; i < size * N; ++i) {
          WriteTile(tiles[i % N], output, token + done + i / N,
                    sums + i * kTileRows);
        }
      }
      done += size;
    }
  }
}

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PRODUCT_VNNI_MANY_H_
