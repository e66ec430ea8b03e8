// The unit: the smallest piece of a phase that is placed, read and computed.

#ifndef SHOAL_BASE_UNIT_H_
#define SHOAL_BASE_UNIT_H_

#include <compare>
#include <cstdint>
#include <string>

namespace shoal::base {

enum class UnitKind : uint8_t {
  kHub,        // norms and other shared parts that are not cut; hubs keep them
  kAttention,  // one KV group (or several merged): q, k, v rows, Wo columns
  kFfn,        // a block of intermediate channels: gate, up rows, down columns
  kExpert,     // such a block of one expert
  kHead,       // a block of vocabulary rows
};
inline constexpr int kUnitKindCount = static_cast<int>(UnitKind::kHead) + 1;

// Identifies a unit within a model. The order of ids is the execution order:
// layer, phase, kind, expert, index. The head's units have layer ==
// layer_count of the model.
struct UnitId {
  uint32_t layer = 0;
  uint32_t phase = 0;  // within the layer
  UnitKind kind = UnitKind::kHub;
  uint32_t expert = 0;  // kExpert only
  uint32_t index = 0;   // position in the grid of its phase and kind

  friend auto operator<=>(const UnitId&, const UnitId&) = default;
};

// "layer 3 ffn 7", for messages.
std::string ToString(const UnitId& id);

// What placement and storage need to know of a unit.
struct UnitSpec {
  UnitId id;
  uint64_t bytes = 0;        // of its canonical form, which packing preserves
  uint64_t work_macs = 0;    // multiply-adds for one token, attention aside
  uint64_t kv_elements = 0;  // K and V elements kept for one position
  uint64_t kv_blocks = 0;    // of up to 32 of them each, as q8 scales them
};

// XXH3-128 of a unit's canonical bytes.
struct Digest {
  uint64_t high = 0;
  uint64_t low = 0;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

// 32 hexadecimal digits.
std::string ToString(const Digest& digest);

}  // namespace shoal::base

#endif  // SHOAL_BASE_UNIT_H_
