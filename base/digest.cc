#include "base/digest.h"

#include <xxhash.h>

#include "base/check.h"

namespace shoal::base {
namespace {

Digest FromXxh(const XXH128_hash_t& hash) {
  return Digest{.high = hash.high64, .low = hash.low64};
}

}  // namespace

struct DigestBuilder::State {
  State() : xxh(XXH3_createState()) { SHOAL_CHECK(xxh != nullptr); }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* const xxh;
};

DigestBuilder::DigestBuilder() : state_(std::make_unique<State>()) { Reset(); }
DigestBuilder::~DigestBuilder() = default;
DigestBuilder::DigestBuilder(DigestBuilder&&) noexcept = default;
DigestBuilder& DigestBuilder::operator=(DigestBuilder&&) noexcept = default;

void DigestBuilder::Add(std::span<const std::byte> data) {
  if (data.empty()) return;
  SHOAL_CHECK(XXH3_128bits_update(state_->xxh, data.data(), data.size()) ==
              XXH_OK);
}

Digest DigestBuilder::Finish() const {
  return FromXxh(XXH3_128bits_digest(state_->xxh));
}

void DigestBuilder::Reset() {
  SHOAL_CHECK(XXH3_128bits_reset(state_->xxh) == XXH_OK);
}

Digest DigestOf(std::span<const std::byte> data) {
  return FromXxh(XXH3_128bits(data.data(), data.size()));
}

}  // namespace shoal::base
