// Byte-level BPE ("gpt2"): text is cut into words by a pattern; within a word,
// pairs merge in the order in which training learned them.

#ifndef SHOAL_MODEL_BPE_TOKENIZER_H_
#define SHOAL_MODEL_BPE_TOKENIZER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/merge_table.h"
#include "model/pre_tokenizer.h"
#include "model/tokenizer.h"

namespace shoal::model {

// Bytes without a token become the unknown token, and nothing where the file
// names none.
//
// Cost: O(n log n) for a word of n bytes.
class BpeTokenizer final : public Tokenizer {
 public:
  // Errors: as Tokenizer::Create. A missing tokenizer.ggml.pre means
  //         "default".
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(
      const GgufHeader& header);

  uint64_t memory_bytes() const override;

 protected:
  absl::Status EncodeText(absl::string_view text, bool at_start,
                          std::vector<int32_t>& ids) const override;
  void AppendText(int32_t id, std::string& out) const override;

 private:
  struct Scratch;  // of one EncodeText()

  BpeTokenizer(Vocabulary vocabulary, const Flags& flags,
               PreTokenizer pre_tokenizer, MergeTable merges);

  void EncodeWord(absl::string_view word, Scratch& scratch,
                  std::vector<int32_t>& ids) const;

  const PreTokenizer pre_tokenizer_;
  const MergeTable merges_;
  std::array<int32_t, 256> byte_ids_{};  // kNoToken where there is none
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_BPE_TOKENIZER_H_
