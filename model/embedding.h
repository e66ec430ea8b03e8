// Token ids to the first residual.

#ifndef SHOAL_MODEL_EMBEDDING_H_
#define SHOAL_MODEL_EMBEDDING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/unit_source.h"

namespace shoal::model {

// Reads rows of the embedding one by one: the table is never in memory.
// Threads: thread-compatible.
class EmbeddingReader {
 public:
  // `source` is borrowed. REQUIRES: `spec` was loaded from `header`.
  EmbeddingReader(const ModelSpec& spec, const GgufHeader& header,
                  const UnitSource& source);

  // Fills `to` [ids, hidden] for tokens at positions first_position...
  // REQUIRES: every id is below the vocabulary; to.size() == ids.size() *
  // hidden.
  // Errors: kInvalidArgument  a position beyond the model's position table
  //         kUnavailable      a read failed
  absl::Status Read(std::span<const int32_t> ids, uint32_t first_position,
                    std::span<float> to);

 private:
  absl::Status ReadRow(const GgufTensor& tensor, uint64_t row,
                       std::span<float> to);

  const UnitSource& source_;
  const uint32_t hidden_;
  const float scale_;
  const GgufTensor tokens_;
  const GgufTensor positions_;  // without dims if the model has none
  std::vector<std::byte> row_;  // one row, as in the file
  std::vector<float> position_row_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_EMBEDDING_H_
