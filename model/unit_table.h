// The grid of units of a model: what each unit is made of and where its bytes
// lie in the GGUF file.
//
// The grid depends on the model alone (docs/architecture.md): FFN units have
// 256 channels where that gives 16 or more of them, else one block of the down
// tensor; attention units are KV groups, merged until their columns of the
// output tensor are whole blocks; expert units are as large as fits 2 MiB, in
// whole blocks; head units are blocks of vocabulary rows.

#ifndef SHOAL_MODEL_UNIT_TABLE_H_
#define SHOAL_MODEL_UNIT_TABLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unit.h"
#include "kernels/layout.h"
#include "model/architecture.h"
#include "model/gguf.h"

namespace shoal::model {

enum class PartRole : uint8_t {
  kQuery,
  kKey,
  kValue,
  kQueryBias,
  kKeyBias,
  kValueBias,
  kQueryNorm,
  kKeyNorm,
  kSinks,
  kAttentionOutput,
  kGate,
  kUp,
  kDown,
  kGateBias,
  kUpBias,
  kDownBias,  // an expert's, in its first unit alone
  kHead,
  kHeadBias,
  // Of hub units: vectors of the phase that `UnitPart::phase` names.
  kInputNorm,       // slot: which input
  kInputNormBias,   // likewise
  kProjectionNorm,  // likewise
  kOutputBias,      // slot: which of several
  kOutputNorm,
  kOutputNormBias,
  kRouterBias,
  kSelectionBias,
  kScaleGate,
  kRopeFactors,      // of the model, in its first hub unit
  kRopeFactorsLong,  // likewise
  // Of hub units with matrices (index 1), which hubs alone keep.
  kProjection,  // slot: which input
  kRouter,
};

// Parts begin at multiples of this within a unit, in file, wire and memory.
inline constexpr uint64_t kPartAlignment = 64;

// A rectangle of a tensor, [rows, cols], that is one part of a unit.
struct UnitPart {
  PartRole role;
  uint8_t phase = 0;  // hub units only: the phase it belongs to
  uint8_t slot = 0;   // hub units only: which of several
  kernels::WeightType type;
  uint32_t rows = 0;
  uint32_t cols = 0;         // whole blocks
  uint64_t unit_offset = 0;  // bytes
  uint64_t file_offset = 0;  // of the first block of the first row
  uint64_t file_stride = 0;  // bytes from row to row
  // The rows come in runs (the rows of one head, say) of run_rows each, their
  // beginnings run_stride bytes apart in the file.
  uint32_t run_rows = 0;
  uint64_t run_stride = 0;

  uint64_t bytes() const {
    return kernels::BytesOf(type, uint64_t{rows} * cols);
  }
};

struct UnitLayout {
  base::UnitSpec spec;  // spec.bytes includes the padding between parts
  std::vector<UnitPart> parts;

  // What of the grid the unit covers: KV heads, channels or vocabulary rows,
  // [begin, begin + count).
  uint32_t begin = 0;
  uint32_t count = 0;

  // Null if the unit has no such part.
  const UnitPart* Find(PartRole role) const;
};

// Immutable; thread-safe.
class UnitTable {
 public:
  // Errors: kInvalidArgument  a tensor cannot be cut (its width is not a whole
  //                           number of blocks); the message names it
  static absl::StatusOr<UnitTable> Create(const ModelSpec& spec,
                                          const GgufHeader& header);

  // In execution order (base::UnitId's order).
  std::span<const UnitLayout> units() const { return units_; }
  const UnitLayout& unit(uint32_t index) const { return units_[index]; }
  std::vector<base::UnitSpec> Specs() const;

  // Largest unit in bytes.
  uint64_t unit_bytes_max() const { return unit_bytes_max_; }
  uint64_t total_bytes() const { return total_bytes_; }

 private:
  std::vector<UnitLayout> units_;
  uint64_t unit_bytes_max_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_UNIT_TABLE_H_
