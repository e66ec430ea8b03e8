// Parses a template into statements.

#ifndef SHOAL_MODEL_JINJA_PARSER_H_
#define SHOAL_MODEL_JINJA_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/jinja_ast.h"

namespace shoal::model::jinja {

// Statements: if, for (with a condition and else), set (also of a block),
// macro, filter, with, generation, break, continue, raw and comments.
//
// Limits: kTemplateBytesMax (jinja_lexer.h); kBlocksMax blocks and
//         ExpressionParser::kDepthMax expressions inside of each other.
// Errors: kInvalidArgument  malformed, or a limit; "line N: ..."
//         kUnimplemented    a statement of Jinja that is not among these; the
//                           message names it, "line N: ..."
inline constexpr int kBlocksMax = 100;
absl::StatusOr<Body> ParseTemplate(absl::string_view source);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_PARSER_H_
