// Many tokens: the parts of a few tiles are spread out as bytes, once for up to
// 128 tokens, and then multiplied in blocks of registers. Arithmetic binds. See
// product_vnni.h.

#ifndef SHOAL_KERNELS_PRODUCT_VNNI_MANY_H_
#define SHOAL_KERNELS_PRODUCT_VNNI_MANY_H_

#include <utility>

#include "kernels/a8_rows.h"
#include "kernels/product_types_vnni.h"
#include "kernels/tile.h"

namespace shoal::kernels {
namespace {

// Many tokens: the parts of a run of columns of a few tiles, spread out.
constexpr int kPanelParts = 16;
constexpr uint32_t kManyTokensMax = 128;

// N tiles. A part has kScales scales, and as many minima or none.
template <int N, int kScalesOfPart, bool kHasMin>
struct Panel {
  static constexpr int kTiles = N;
  static constexpr int kScales = kScalesOfPart;
  static constexpr int kMins = kHasMin ? kScales : 0;
  static constexpr int kWords = 8 / kScales;  // under one scale

  int parts;
  int offset;  // of the bytes
  // [part][tile][word][row][4]
  alignas(64) std::byte bytes[kPanelParts * N * 8 * kWordBytes];
  // [part][scale][tile][row]
  alignas(64) float scales[kPanelParts * kScales * N * kTileRows];
  alignas(64) float mins[kPanelParts * kMins * N * kTileRows + 1];
};

// Fills a panel from blocks of one type.
template <typename V, typename Type, typename PanelOfType>
struct Spreader {
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
    SpreadWords<kPart>(block,
                       panel.bytes + (part * kTiles + n) * 8 * kWordBytes,
                       std::make_integer_sequence<int, 8>());
    for (int k = 0; k < Type::kScales; ++k) {
      const int at = ((part * Type::kScales + k) * kTiles + n) * kTileRows;
      V::StoreFloats(Type::template Scale<kPart>(head, k), panel.scales + at);
      if constexpr (Type::kHasMin) {
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
};

// A panel times tokens, added to acc [tokens, tiles, 16].
template <typename V, typename PanelOfType>
struct PanelProduct {
  using Ints = typename V::Ints;
  using Floats = typename V::Floats;
  static constexpr int N = PanelOfType::kTiles;
  static constexpr int kScales = PanelOfType::kScales;
  static constexpr int kWords = PanelOfType::kWords;
  static constexpr bool kHasMin = PanelOfType::kMins > 0;

  static void Add(const PanelOfType& panel, const ActivationView& input,
                  uint32_t token, uint32_t count, int first, float* acc) {
    uint32_t done = 0;
    for (; done + V::kTokens <= count; done += V::kTokens) {
      AddGroup<V::kTokens>(panel, input, token + done, first,
                           acc + done * N * kTileRows);
    }
    AddRest<V::kTokens - 1>(panel, input, token + done, count - done, first,
                            acc + done * N * kTileRows);
  }

 private:
  template <int T>
  static void AddRest(const PanelOfType& panel, const ActivationView& input,
                      uint32_t token, uint32_t count, int first, float* acc) {
    if constexpr (T > 0) {
      if (count == T) {
        AddGroup<T>(panel, input, token, first, acc);
      } else {
        AddRest<T - 1>(panel, input, token, count, first, acc);
      }
    }
  }

  // T tokens: this is where prefill spends its time.
  template <int T>
  static void AddGroup(const PanelOfType& panel, const ActivationView& input,
                       uint32_t token, int first, float* acc) {
    A8Rows rows(input, token);
    rows.Skip(static_cast<uint64_t>(first));
    int32_t offsets[T][kPanelParts * kScales];
    float scaled_sums[T][kPanelParts * kScales];
    PrepareSums<T>(rows, panel, offsets, scaled_sums);
    Floats sum[T][N];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        sum[t][n] = V::LoadFloats(acc + (t * N + n) * kTileRows);
      }
    }
    for (int part = 0; part < panel.parts; ++part) {
#pragma GCC unroll 2
      for (int k = 0; k < kScales; ++k) {
        const int index = part * kScales + k;
        Ints ints[T][N];
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
          for (int n = 0; n < N; ++n) {
            ints[t][n] = V::Broadcast(offsets[t][index]);
          }
        }
        AddWords<T>(panel.bytes + (part * N * 8 + k * kWords) * kWordBytes,
                    rows.quants + part * kA8BlockElements + 4 * k * kWords,
                    rows.cols, ints);
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) {
          const Floats activation_scale =
              V::BroadcastFloat(rows.scales[t * rows.blocks + part]);
#pragma GCC unroll 8
          for (int n = 0; n < N; ++n) {
            const int at = (index * N + n) * kTileRows;
            sum[t][n] = V::MulAdd(
                V::ToFloats(ints[t][n]),
                V::Mul(V::LoadFloats(panel.scales + at), activation_scale),
                sum[t][n]);
            if constexpr (kHasMin) {
              sum[t][n] = V::MulSub(V::LoadFloats(panel.mins + at),
                                    V::BroadcastFloat(scaled_sums[t][index]),
                                    sum[t][n]);
            }
          }
        }
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        V::StoreFloats(sum[t][n], acc + (t * N + n) * kTileRows);
      }
    }
  }

  // Adds the products of the words under one scale.
  template <int T>
  static inline void AddWords(const std::byte* bytes, const int8_t* quants,
                              uint64_t cols, Ints (&ints)[T][N]) {
#pragma GCC unroll 8
    for (int w = 0; w < kWords; ++w) {
      Ints words[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        words[n] = V::Load(bytes + (n * 8 + w) * kWordBytes);
      }
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const Ints a = V::Broadcast4(quants + t * cols + 4 * w);
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) {
          ints[t][n] = V::Dot(ints[t][n], words[n], a);
        }
      }
    }
  }

  template <int T>
  static inline void PrepareSums(
      const A8Rows& rows, const PanelOfType& panel,
      int32_t (&offsets)[T][kPanelParts * kScales],
      float (&scaled_sums)[T][kPanelParts * kScales]) {
    for (int t = 0; t < T; ++t) {
      for (int part = 0; part < panel.parts; ++part) {
        for (int k = 0; k < kScales; ++k) {
          const int index = part * kScales + k;
          const int sum = rows.SumOf<kScales>(t, part, k);
          offsets[t][index] = -panel.offset * sum;
          if constexpr (kHasMin) {
            scaled_sums[t][index] =
                static_cast<float>(sum) * rows.scales[t * rows.blocks + part];
          }
        }
      }
    }
  }
};

// N tiles from `row` on, tokens [token, token + count), count <=
// kManyTokensMax.
template <typename V, typename Type, int N>
void DotMany(const WeightMatrix& weights, const TypeEntry& entry, uint32_t row,
             const ActivationView& input, uint32_t token, uint32_t count,
             const ProductOutput& output) {
  using PanelOfType = Panel<N, Type::kScales, Type::kHasMin>;
  alignas(64) std::byte scratch[N][kTileScratchBytes];
  alignas(64) float acc[kManyTokensMax * N * kTileRows];
  Tile tiles[N];
  for (uint32_t n = 0; n < N; ++n) {
    tiles[n] = TileAt(weights, entry, row + n * kTileRows, scratch[n]);
  }
  std::memset(acc, 0, uint64_t{count} * N * kTileRows * sizeof(float));
  PanelOfType panel;
  panel.offset = Type::kOffset;
  const auto parts = static_cast<int>(input.cols / kA8BlockElements);
  for (int first = 0; first < parts; first += kPanelParts) {
    panel.parts = parts - first < kPanelParts ? parts - first : kPanelParts;
    for (int n = 0; n < N; ++n) {
      Spreader<V, Type, PanelOfType>::Spread(tiles[n], first, n, scratch[n],
                                             panel);
    }
    PanelProduct<V, PanelOfType>::Add(panel, input, token, count, first, acc);
  }
  for (uint32_t t = 0; t < count; ++t) {
    for (uint32_t n = 0; n < N; ++n) {
      WriteTile(tiles[n], output, token + t, acc + (t * N + n) * kTileRows);
    }
  }
}

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PRODUCT_VNNI_MANY_H_
