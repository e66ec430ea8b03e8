#include "http/api_error.h"

#include <utility>

#include "coordinator/loaded_model.h"
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

}  // namespace shoal::http
