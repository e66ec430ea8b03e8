// Answers a request for a completion, whole or as a stream.

#ifndef SHOAL_HTTP_COMPLETION_HANDLER_H_
#define SHOAL_HTTP_COMPLETION_HANDLER_H_

#include <httplib.h>

#include <string>

#include "base/mutex.h"
#include "coordinator/request_queue.h"
#include "http/api_error.h"

namespace shoal::http {

// Sets status, body and, where one helps, the header Retry-After.
void SetError(const ApiError& error, httplib::Response& response);

// Blocks until the answer is complete or, of a stream, has begun; the rest is
// written by the library. A client that hangs up ends its generation.
// `queue` is borrowed for as long as the response lives; `understanding` is
// held while the request is understood, so that the memory for that is taken
// once.
void AnswerCompletion(bool is_chat, const std::string& model_name,
                      coordinator::RequestQueue& queue,
                      base::Mutex& understanding,
                      const httplib::Request& request,
                      httplib::Response& response);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_COMPLETION_HANDLER_H_
