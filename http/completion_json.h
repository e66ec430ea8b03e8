// What is answered to the requests for completions.

#ifndef SHOAL_HTTP_COMPLETION_JSON_H_
#define SHOAL_HTTP_COMPLETION_JSON_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/generation.h"

namespace shoal::http {

// What all answers to one request have in common.
struct CompletionHead {
  bool is_chat = false;
  std::string id;
  int64_t created = 0;  // seconds since 1970
  std::string model;
  bool include_usage = false;
};

// The whole answer, of a request that is no stream.
std::string CompletionJson(const CompletionHead& head,
                           const coordinator::GenerateResult& result);

// The events of a stream, each "data: ...\n\n" (server-sent events). Text is
// whole characters. They are, in this order: the first one (chat), any number
// of pieces, the last piece, the usage (if asked for), the end.
std::string FirstEvent(const CompletionHead& head);  // empty if not chat
// `text_offset`: bytes of the answer before this piece.
std::string PieceEvent(const CompletionHead& head, const std::string& text,
                       const std::vector<coordinator::ChoiceLogprobs>& logprobs,
                       size_t text_offset);
std::string LastPieceEvent(const CompletionHead& head,
                           coordinator::FinishReason reason);
std::string UsageEvent(const CompletionHead& head,
                       const coordinator::GenerateResult& result);
std::string EndEvent();

// An event of any JSON text, for errors.
std::string EventOf(const std::string& json);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_COMPLETION_JSON_H_
