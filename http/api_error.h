// Errors in the form that clients of the OpenAI dialect expect.

#ifndef SHOAL_HTTP_API_ERROR_H_
#define SHOAL_HTTP_API_ERROR_H_

#include <string>

#include "absl/status/status.h"

namespace shoal::http {

struct ApiError {
  int status = 500;  // of HTTP
  std::string message;
  std::string type = "invalid_request_error";
  std::string param = {};  // the field that is wrong; empty: null
  std::string code = {};   // for programs; empty: null

  // {"error":{"message":...,"type":...,"param":...,"code":...}}
  std::string ToJson() const;
};

// A field of the request that is wrong (400).
ApiError WrongField(std::string param, std::string message,
                    std::string code = "invalid_value");

// What RequestQueue::Submit() and the end of a request report.
//   kInvalidArgument, kFailedPrecondition,
//   kUnimplemented, kNotFound, kOutOfRange  400; code context_length_exceeded
//                       where coordinator::IsContextExceeded()
//   kResourceExhausted  429, the queue is full
//   kUnavailable        503
//   others              500
ApiError FromStatus(const absl::Status& status);

// The requests of others take the memory that there is for requests (503).
ApiError TooManyBytes();

// What HTTP itself refuses, by status; any is good.
ApiError OfHttpStatus(int status);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_API_ERROR_H_
