// A made-up SentencePiece-style vocabulary of any size.

#ifndef SHOAL_MODEL_SYNTH_VOCABULARY_H_
#define SHOAL_MODEL_SYNTH_VOCABULARY_H_

#include <cstdint>

#include "model/gguf.h"

namespace shoal::model {

// The smallest size: specials, bytes and printable characters.
inline constexpr uint32_t kSynthVocabularyMin = 355;

// The keys "tokenizer.*" of a `llama` vocabulary of `size` tokens: <unk>, <s>,
// </s>, the 256 bytes, the characters of ASCII and the word boundary, then
// pieces made of syllables. Each piece is the sum of two before it, so that
// merging reaches it; scores fall with the id. The same at every call.
// REQUIRES: size >= kSynthVocabularyMin.
GgufMetadata SynthVocabulary(uint32_t size);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SYNTH_VOCABULARY_H_
