#include "security/random_bytes.h"

#include <sys/random.h>
#include <sys/types.h>

#include <algorithm>

#include "base/check.h"

namespace shoal::security {
namespace {

// As much as getrandom() gives without being interrupted.
constexpr size_t kPieceBytes = 256;

}  // namespace

void FillRandom(std::span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kPieceBytes));
    const ssize_t count = getrandom(piece.data(), piece.size(), 0);
    SHOAL_CHECK(count == static_cast<ssize_t>(piece.size()));
    bytes = bytes.subspan(piece.size());
  }
}

}  // namespace shoal::security
