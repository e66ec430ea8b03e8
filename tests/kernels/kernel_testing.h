// Random weights, reference products and golden files for the kernel tests.

#ifndef SHOAL_TESTS_KERNELS_KERNEL_TESTING_H_
#define SHOAL_TESTS_KERNELS_KERNEL_TESTING_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/half.h"
#include "kernels/kernel_table.h"
#include "kernels/type_table.h"
#include "tests/kernels/extra_tables.h"

namespace shoal::kernels::testing {

// Empty if the golden data is not there.
inline std::string GoldenDir() {
  const char* dir = std::getenv("SHOAL_GOLDEN_DIR");
  return dir == nullptr ? std::string() : std::string(dir);
}

inline std::vector<std::byte> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline std::vector<float> ReadFloats(const std::string& path) {
  const std::vector<std::byte> bytes = ReadBytes(path);
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  return floats;
}

inline std::vector<float> RandomFloats(uint64_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Offsets of the f16 scales in a block of a quantised type.
inline std::vector<uint32_t> ScaleOffsets(WeightType type) {
  switch (type) {
    case WeightType::kQ4_1:
    case WeightType::kQ5_1:
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      return {0, 2};
    case WeightType::kQ2_K:
      return {80, 82};
    case WeightType::kQ3_K:
      return {108};
    case WeightType::kMXFP4:
      return {};  // its scale is no f16
    case WeightType::kQ6_K:
      return {208};
    default:
      return {0};
  }
}

// Gives the block the scale (of scales) `scale`, and so its minimum.
inline void SetScale(WeightType type, std::byte* block, float scale) {
  if (type == WeightType::kMXFP4) {
    // An exponent and no sign.
    *block = static_cast<std::byte>(128 + std::ilogb(std::abs(scale)));
    return;
  }
  const uint16_t half = HalfFromFloat(scale);
  for (const uint32_t offset : ScaleOffsets(type)) {
    std::memcpy(block + offset, &half, sizeof(half));
  }
}

// Canonical bytes: for quantised types random bits, so that every quant and
// every small scale occurs, under scales between 1/64 and 1/8 of either sign.
inline std::vector<std::byte> RandomWeights(WeightType type, uint32_t rows,
                                            uint32_t cols,
                                            std::mt19937& random) {
  const uint64_t count = uint64_t{rows} * cols;
  std::vector<std::byte> bytes(BytesOf(type, count));
  const uint32_t block_bytes = InfoOf(type).block_bytes;
  if (EntryOf(type).widen != nullptr) {
    const std::vector<float> values = RandomFloats(count, random);
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t bits = BitsOfFloat(values[i]);
      const uint16_t half = type == WeightType::kF16
                                ? HalfFromFloat(values[i])
                                : static_cast<uint16_t>(bits >> 16);
      const void* from = block_bytes == 4 ? static_cast<const void*>(&bits)
                                          : static_cast<const void*>(&half);
      std::memcpy(&bytes[i * block_bytes], from, block_bytes);
    }
    return bytes;
  }
  std::uniform_int_distribution<int> byte(0, 255);
  for (std::byte& b : bytes) b = static_cast<std::byte>(byte(random));
  std::uniform_real_distribution<float> scale(1.0f / 64, 1.0f / 8);
  for (uint64_t block = 0; block < bytes.size(); block += block_bytes) {
    SetScale(type, &bytes[block], scale(random));
    // Scale and minimum are not the same.
    for (const uint32_t offset : ScaleOffsets(type)) {
      const float sign = byte(random) < 128 ? -1.0f : 1.0f;
      const uint16_t half = HalfFromFloat(sign * scale(random));
      std::memcpy(&bytes[block + offset], &half, sizeof(half));
    }
  }
  return bytes;
}

inline ActivationBuffer MakeActivations(Encoding encoding, uint32_t tokens,
                                        uint32_t cols, std::mt19937& random) {
  ActivationBuffer buffer(encoding, tokens, cols);
  buffer.Resize(tokens);
  for (uint32_t token = 0; token < tokens; ++token) {
    const std::vector<float> values = RandomFloats(cols, random);
    if (encoding == Encoding::kF32) {
      std::copy(values.begin(), values.end(), buffer.values(token));
    } else {
      (*SelectKernels("scalar"))
          ->encode_a8(values.data(), cols, buffer.quants(token),
                      buffer.scales(token), buffer.sums(token));
    }
  }
  return buffer;
}

inline double ActivationAt(const ActivationView& view, uint64_t token,
                           uint64_t col) {
  const uint64_t at = token * view.cols + col;
  if (view.encoding == Encoding::kF32) return view.values[at];
  return double{view.scales[at / kA8BlockElements]} * view.quants[at];
}

// [tokens, matrix.rows].
inline std::vector<float> Product(const KernelTable& table,
                                  const WeightMatrix& matrix,
                                  const ActivationView& view) {
  std::vector<float> out(uint64_t{view.tokens} * matrix.rows, NAN);
  table.product(matrix, 0, matrix.rows, view,
                {ProductOutput::Mode::kStore, out.data(), matrix.rows});
  return out;
}

// A product in double and the largest error that float sums may have.
struct Expected {
  double value = 0;
  double tolerance = 0;
};

// Each term goes through at most `operations` roundings of relative size 2^-24:
// scales (4), the sum over a block's elements where it is in float (32), the
// sum over the blocks in order. The terms that a minimum splits off are counted
// for themselves, because they can cancel.
inline Expected ExpectedProduct(WeightType type, const std::byte* row,
                                const ActivationView& view, uint64_t token) {
  const TypeEntry& entry = EntryOf(type);
  std::vector<float> weights(view.cols);
  Dequantize(type, row, view.cols, weights.data());
  Expected expected;
  double magnitude = 0;
  for (uint32_t col = 0; col < view.cols; ++col) {
    const double activation = ActivationAt(view, token, col);
    expected.value += weights[col] * activation;
    double size = std::abs(weights[col]);
    if (entry.decode != nullptr) {
      DecodedPart part;
      const uint32_t block = col / entry.info.block_elements;
      const uint32_t within = col % entry.info.block_elements;
      entry.decode(row + block * entry.info.block_bytes,
                   within / kDecodedElements, part);
      const uint32_t i = within % kDecodedElements;
      size = std::abs(part.scales[i / 16] * part.quants[i]) +
             std::abs(part.mins[i / 16]);
    }
    magnitude += size * std::abs(activation);
  }
  const double operations = 4 + 32 + view.cols / 32.0;
  expected.tolerance = magnitude * operations * 0x1p-24;
  return expected;
}

// `canonical` in the layout of `table`.
inline std::vector<std::byte> Packed(const KernelTable& table, WeightType type,
                                     uint32_t rows, uint32_t cols,
                                     const std::vector<std::byte>& canonical) {
  std::vector<std::byte> packed(canonical.size());
  Pack(type, rows, cols, table.layout, canonical, packed);
  return packed;
}

// The encodings that a type's product takes.
inline std::vector<Encoding> EncodingsOf(WeightType type) {
  if (InfoOf(type).encoding == Encoding::kF32) return {Encoding::kF32};
  return {Encoding::kF32, Encoding::kA8};
}

inline std::string CaseName(const KernelTable& table, WeightType type,
                            Encoding encoding) {
  return absl::StrCat(table.isa, " ", InfoOf(type).name, " ",
                      encoding == Encoding::kF32 ? "f32" : "a8");
}

// Every table that this processor can run.
// Every table that this processor runs, and those that only tests have.
inline std::vector<const KernelTable*> AllTables() {
  std::vector<const KernelTable*> tables = ExtraTables();
  for (const absl::string_view isa : AvailableIsas()) {
    tables.push_back(*SelectKernels(isa));
  }
  return tables;
}

}  // namespace shoal::kernels::testing

#endif  // SHOAL_TESTS_KERNELS_KERNEL_TESTING_H_
