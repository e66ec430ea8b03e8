// How the elements of each quantised block are read (type_table.h), one
// function per format, after the definitions of the GGUF types.

#ifndef SHOAL_KERNELS_BLOCK_DECODERS_H_
#define SHOAL_KERNELS_BLOCK_DECODERS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/type_table.h"

namespace shoal::kernels {

// Elements [32 part, 32 part + 32) of the block at `block`.
void DecodeQ4_0(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ4_1(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ5_0(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ5_1(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ8_0(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ2_K(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ3_K(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ4_K(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ5_K(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeQ6_K(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeIQ4_NL(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeIQ4_XS(const std::byte* block, uint32_t part, DecodedPart& out);
void DecodeMXFP4(const std::byte* block, uint32_t part, DecodedPart& out);

// The values of IQ4_NL's and IQ4_XS's 16 codes.
inline constexpr int8_t kIQ4Values[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the values of MXFP4's 16 codes (E2M1 floats).
inline constexpr int8_t kMXFP4Doubles[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                             0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_BLOCK_DECODERS_H_
