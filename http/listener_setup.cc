#include "http/listener_setup.h"

#include <sys/socket.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "http/completion_handler.h"
#include "http/completion_request.h"

namespace shoal::http {
namespace {

// The library would decompress a body without a limit.
bool IsEncoded(const httplib::Request& request) {
  const auto [first, last] = request.headers.equal_range("Content-Encoding");
  return std::any_of(first, last, [](const auto& header) {
    return !absl::EqualsIgnoreCase(header.second, "identity");
  });
}

}  // namespace

ApiError NotHere(const httplib::Request& request) {
  ApiError error;
  error.status = 404;
  error.message =
      absl::StrCat("there is no ", request.method, " ", request.path, " here");
  error.code = "not_found";
  return error;
}

void AddRefusals(AccessCheck is_allowed, HttpListener& listener) {
  listener.set_pre_routing_handler(
      [is_allowed = std::move(is_allowed)](const httplib::Request& request,
                                           httplib::Response& response) {
        using Handler = httplib::Server::HandlerResponse;
        if (!is_allowed(request, response)) return Handler::Handled;
        if (!IsEncoded(request)) return Handler::Unhandled;
        SetError(OfHttpStatus(415), response);
        return Handler::Handled;
      });
  listener.set_error_handler(
      [](const httplib::Request& request, httplib::Response& response) {
        if (response.body.empty()) {
          SetError(response.status == 404 ? NotHere(request)
                                          : OfHttpStatus(response.status),
                   response);
        }
      });
  listener.set_exception_handler([](const httplib::Request&,
                                    httplib::Response& response,
                                    const std::exception_ptr&) {
    SetError(FromStatus(absl::InternalError("a fault of the service")),
             response);
  });
}

absl::StatusOr<uint16_t> Bind(const std::string& host, uint16_t port,
                              HttpListener& listener) {
  listener.set_payload_max_length(kBodyBytesMax);
  listener.set_tcp_nodelay(true);
  // A second process on the same port is a mistake, not load balancing.
  listener.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  int bound = 0;
  if (port == 0) {
    bound = listener.bind_to_any_port(host);
  } else if (listener.bind_to_port(host, port)) {
    bound = port;
  }
  if (bound > 0) return static_cast<uint16_t>(bound);
  return absl::UnavailableError(absl::StrCat(
      "cannot listen on ", host, " port ", port,
      ": the port is in use, or the address is not this machine's; choose "
      "another (--http), or port 0 for any"));
}

}  // namespace shoal::http
