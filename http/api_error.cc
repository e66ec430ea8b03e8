#include "http/api_error.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/loaded_model.h"
#include "http/completion_request.h"
#include "nlohmann/json.hpp"

namespace shoal::http {
namespace {

using Json = nlohmann::ordered_json;

Json TextOrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

}  // namespace

std::string ApiError::ToJson() const {
  const Json body = {{"error",
                      {{"message", message},
                       {"type", type},
                       {"param", TextOrNull(param)},
                       {"code", TextOrNull(code)}}}};
  // A message may quote bytes of the request.
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ApiError WrongField(std::string param, std::string message, std::string code) {
  ApiError error;
  error.status = 400;
  error.message = std::move(message);
  error.param = std::move(param);
  error.code = std::move(code);
  return error;
}

ApiError FromStatus(const absl::Status& status) {
  ApiError error;
  error.message = std::string(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
      error.status = 400;
      if (coordinator::IsContextExceeded(status)) {
        error.code = "context_length_exceeded";
      }
      break;
    case absl::StatusCode::kResourceExhausted:
      error.status = 429;
      error.type = "rate_limit_error";
      error.code = "queue_full";
      break;
    case absl::StatusCode::kUnavailable:
      error.status = 503;
      error.type = "server_error";
      error.code = "service_unavailable";
      break;
    default:
      error.status = 500;
      error.type = "server_error";
      break;
  }
  return error;
}

ApiError TooManyBytes() {
  return FromStatus(absl::UnavailableError(
      "the requests of others take all the memory that there is for requests; "
      "try again later"));
}

ApiError OfHttpStatus(int status) {
  ApiError error;
  error.status = status;
  switch (status) {
    case 408:
      error.message = "the request took too long to arrive";
      error.code = "request_timeout";
      break;
    case 413:
      error.message = absl::StrCat("the body is larger than ", kBodyBytesMax,
                                   " bytes, the most that is read");
      error.code = "request_too_large";
      break;
    case 415:
      error.message =
          "bodies with a Content-Encoding are not read: send it as it is";
      error.code = "unsupported_encoding";
      break;
    case 431:
      error.message =
          "the head of the request is too large; send fewer headers";
      error.code = "headers_too_large";
      break;
    case 503:
      error.message = "the service is shutting down";
      error.code = "service_unavailable";
      break;
    default:
      error.message = absl::StrCat("HTTP status ", status);
      break;
  }
  if (status >= 500) error.type = "server_error";
  return error;
}

}  // namespace shoal::http
