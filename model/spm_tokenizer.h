// SentencePiece-style tokenizer ("llama"): pairs merge by the score of what
// they become; what is no token falls back to its bytes.

#ifndef SHOAL_MODEL_SPM_TOKENIZER_H_
#define SHOAL_MODEL_SPM_TOKENIZER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/tokenizer.h"

namespace shoal::model {

// Spaces are written as U+2581. A text, and what follows a special token, gets
// a space in front unless tokenizer.ggml.add_space_prefix says no. Then, from
// single characters, the adjacent pair that makes the token of the highest
// score (the leftmost of equals) merges, until no pair makes a token.
//
// Cost: O(n log n) for n characters, and about 60 n bytes while it runs.
class SpmTokenizer final : public Tokenizer {
 public:
  // Errors: as Tokenizer::Create; kInvalidArgument also if the scores are
  //         missing, or byte tokens while there is no unknown token
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(
      const GgufHeader& header);

 protected:
  absl::Status EncodeText(absl::string_view text, bool at_start,
                          std::vector<int32_t>& ids) const override;
  void AppendText(int32_t id, std::string& out) const override;

 private:
  using ByteIds = std::array<int32_t, 256>;

  SpmTokenizer(Vocabulary vocabulary, const Flags& flags,
               const ByteIds& byte_ids)
      : Tokenizer(std::move(vocabulary), flags), byte_ids_(byte_ids) {}

  void AddPhi3SpaceEaters();
  // The token that `text` may merge into, or kNoToken.
  int32_t FindMergeable(absl::string_view text) const;
  void AppendBytes(absl::string_view text, std::vector<int32_t>& ids) const;

  const ByteIds byte_ids_;  // the unknown id where a byte has no token
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SPM_TOKENIZER_H_
