// Puts one unit together from rectangles of tensors.

#ifndef SHOAL_MODEL_UNIT_BUILDER_H_
#define SHOAL_MODEL_UNIT_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "model/gguf.h"
#include "model/unit_table.h"

namespace shoal::model {

// Collects the parts of one unit and their offsets.
// Errors of all methods: as UnitTable::Create()
class UnitBuilder {
 public:
  // `header` is borrowed.
  UnitBuilder(const GgufHeader& header, base::UnitId id) : header_(header) {
    unit_.spec.id = id;
  }

  // Rows [row, row + rows) x columns [col, col + cols) of `tensor`.
  absl::Status Add(PartRole role, const std::string& tensor, uint64_t row,
                   uint64_t rows, uint64_t col, uint64_t cols) {
    return AddRuns(role, tensor, row, rows, rows, 1, col, cols);
  }

  // `runs` runs of run_rows rows each, the first at `row`, `stride` rows apart.
  absl::Status AddRuns(PartRole role, const std::string& tensor_name,
                       uint64_t row, uint64_t stride, uint64_t run_rows,
                       uint64_t runs, uint64_t col, uint64_t cols);

  // Elements [begin, begin + count) of a vector, whatever its dims. No name:
  // no part. Vectors are no work worth counting.
  absl::Status AddVector(PartRole role, const std::string& tensor_name,
                         uint64_t begin, uint64_t count);

  // Of the parts of hub units that follow.
  void SetPlace(size_t phase, size_t slot) {
    phase_ = static_cast<uint8_t>(phase);
    slot_ = static_cast<uint8_t>(slot);
  }

  bool empty() const { return unit_.parts.empty(); }
  base::UnitSpec& spec() { return unit_.spec; }

  // The unit, which covers [begin, begin + count) of its grid.
  UnitLayout Finish(uint32_t begin, uint32_t count);

 private:
  UnitPart& NewPart(PartRole role, const GgufTensor& tensor);
  // Its rows and columns are set.
  void Place(UnitPart& part);

  const GgufHeader& header_;
  UnitLayout unit_;
  uint64_t end_ = 0;
  uint8_t phase_ = 0;
  uint8_t slot_ = 0;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_UNIT_BUILDER_H_
