// XXH3-128 digests of a unit's canonical bytes.

#ifndef SHOAL_BASE_DIGEST_H_
#define SHOAL_BASE_DIGEST_H_

#include <cstddef>
#include <memory>
#include <span>

#include "base/unit.h"

namespace shoal::base {

// Computes a Digest of bytes that come in pieces. How they are cut does not
// matter. The seed is 0 and the key is XXH3's own, so that `xxhsum -H2` prints
// the same 32 digits. It names contents; it does not protect from a forger.
//
// Memory:  about 600 bytes, taken by the constructor.
// Threads: thread-compatible.
class DigestBuilder {
 public:
  DigestBuilder();
  ~DigestBuilder();
  DigestBuilder(DigestBuilder&&) noexcept;
  DigestBuilder& operator=(DigestBuilder&&) noexcept;

  void Add(std::span<const std::byte> data);

  // Of all bytes added since the constructor or Reset(). More may follow.
  Digest Finish() const;

  void Reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The digest of `data` in one piece.
Digest DigestOf(std::span<const std::byte> data);

}  // namespace shoal::base

#endif  // SHOAL_BASE_DIGEST_H_
