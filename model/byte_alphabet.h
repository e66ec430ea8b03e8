// The printable alphabet in which byte-level vocabularies write bytes.
//
// A vocabulary of the kind GPT-2 brought in stores each byte as one character:
// a printable Latin-1 byte as itself, the other 68 as U+0100 and up, in order.

#ifndef SHOAL_MODEL_BYTE_ALPHABET_H_
#define SHOAL_MODEL_BYTE_ALPHABET_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace shoal::model {

void AppendInByteAlphabet(absl::string_view bytes, std::string& out);

// Appends the bytes that `text` stands for; false, and nothing appended, if
// `text` has a character outside the alphabet.
bool AppendFromByteAlphabet(absl::string_view text, std::string& out);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_BYTE_ALPHABET_H_
