// The requests of /v1/chat/completions and /v1/completions.

#ifndef SHOAL_HTTP_COMPLETION_REQUEST_H_
#define SHOAL_HTTP_COMPLETION_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "coordinator/generation.h"
#include "http/api_error.h"

namespace shoal::http {

// Longest body that is read.
inline constexpr size_t kBodyBytesMax = size_t{4} << 20;
// Values (members of lists and objects) and levels of a body. Without them a
// body could become a hundred times its size where it is understood.
inline constexpr size_t kBodyValuesMax = size_t{1} << 18;
inline constexpr size_t kBodyLevelsMax = 16;

struct CompletionRequest {
  bool is_chat = false;
  std::string model;  // empty: whichever there is
  // Ready to be submitted, but for the seed.
  coordinator::GenerateRequest generate;
  std::optional<uint64_t> seed;  // nothing: by chance
  bool stream = false;
  bool include_usage = false;  // in a stream, at its end
};

// Fields that do not change what is generated are ignored, also unknown ones;
// those that would change it and are not supported are refused by name.
// Besides the dialect's own, top_k, min_p and repeat_penalty are understood.
//
// Returns nothing if all is well, and what to answer otherwise; `to` is
// unspecified then.
std::optional<ApiError> ParseChatRequest(absl::string_view body,
                                         CompletionRequest& to);
std::optional<ApiError> ParseTextRequest(absl::string_view body,
                                         CompletionRequest& to);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_COMPLETION_REQUEST_H_
