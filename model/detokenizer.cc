#include "model/detokenizer.h"

#include "model/utf8.h"

namespace shoal::model {

StreamDetokenizer::StreamDetokenizer(const Tokenizer& tokenizer,
                                     const Options& options)
    : tokenizer_(tokenizer),
      special_(options.special),
      drops_space_(options.at_text_start && tokenizer.adds_space_prefix()) {}

void StreamDetokenizer::Feed(int32_t id, std::string& out) {
  tokenizer_.AppendPiece(id, special_, pending_);
  if (drops_space_ && !pending_.empty()) {
    if (pending_.front() == ' ') pending_.erase(0, 1);
    drops_space_ = false;
  }
  absl::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Step step = StepUtf8(rest);
    if (step.state == Utf8Step::State::kUnfinished) break;
    const absl::string_view shown = step.state == Utf8Step::State::kCharacter
                                        ? rest.substr(0, step.bytes)
                                        : kReplacementCharacter;
    out.append(shown.data(), shown.size());
    rest.remove_prefix(step.bytes);
  }
  pending_.erase(0, pending_.size() - rest.size());
}

void StreamDetokenizer::Flush(std::string& out) {
  if (pending_.empty()) return;
  out.append(kReplacementCharacter.data(), kReplacementCharacter.size());
  pending_.clear();
}

}  // namespace shoal::model
