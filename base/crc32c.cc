#include "base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/crc32c_hardware.h"
#include "base/crc32c_shift.h"

namespace shoal::base {
namespace {

// kTables[k][b]: what byte b does to the register when k more bytes follow in
// the same step ("slicing by 8").
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCrc32cReversedPolynomial : 0);
    }
    tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (size_t k = 1; k < 8; ++k) {
      const uint32_t shorter = tables[k - 1][byte];
      tables[k][byte] = (shorter >> 8) ^ tables[0][shorter & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint32_t AdvanceTable(uint32_t state, std::span<const std::byte> data) {
  static_assert(std::endian::native == std::endian::little,
                "the 8-byte step reads the register's bytes in memory order");
  while (data.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, data.data(), 8);
    word ^= state;
    state = 0;
    for (size_t k = 0; k < 8; ++k) {
      state ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
    }
    data = data.subspan(8);
  }
  for (const std::byte byte : data) {
    const uint32_t low = (state ^ std::to_integer<uint32_t>(byte)) & 0xff;
    state = (state >> 8) ^ kTables[0][low];
  }
  return state;
}

}  // namespace

uint32_t Crc32c(std::span<const std::byte> data, uint32_t previous) {
  static const bool has_hardware = HasCrc32cHardware();
  if (!has_hardware) return Crc32cTable(data, previous);
  return ~AdvanceCrc32cHardware(~previous, data);
}

uint32_t Crc32cTable(std::span<const std::byte> data, uint32_t previous) {
  return ~AdvanceTable(~previous, data);
}

}  // namespace shoal::base
