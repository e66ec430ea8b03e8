#include "http/server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "http/completion_handler.h"
#include "http/completion_request.h"
#include "http/connection.h"
#include "http/host_check.h"
#include "http/metrics.h"
#include "nlohmann/json.hpp"

namespace shoal::http {
namespace {

using Json = nlohmann::ordered_json;
using coordinator::ServiceState;

// Takes the same time whatever is wrong with `shown`.
bool IsSameKey(const std::string& shown, const std::string& key) {
  unsigned difference = shown.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < key.size(); ++i) {
    const char other = i < shown.size() ? shown[i] : '\0';
    difference |= static_cast<unsigned char>(key[i] ^ other);
  }
  return difference == 0;
}

ApiError WrongKey(bool is_missing) {
  ApiError error;
  error.status = 401;
  error.message = is_missing ? "an API key is asked for: send the header "
                               "\"Authorization: Bearer KEY\""
                             : "the API key is not the one of this service";
  error.code = "invalid_api_key";
  return error;
}

ApiError WrongHost(const std::string& name) {
  ApiError error;
  error.status = 403;
  error.message = absl::StrCat(
      "this service has no API key, so it answers only to names that it knows, "
      "and \"",
      name, "\" is none: start it with --http-host ", name,
      ", ask for a key (--api-key-file), or use its address in figures");
  error.code = "unknown_host";
  return error;
}

// A name in Host or Origin that a browser may have been led here by.
std::string StrangeName(const httplib::Request& request,
                        const std::vector<std::string>& known) {
  std::vector<std::string> values;
  for (const char* field : {"Host", "Origin"}) {
    const auto [first, last] = request.headers.equal_range(field);
    for (auto it = first; it != last; ++it) values.push_back(it->second);
  }
  for (const std::string& value : values) {
    if (!IsKnownHost(value, known)) return PrintableHost(value);
  }
  return "";
}

ApiError NotHere(const httplib::Request& request) {
  ApiError error;
  error.status = 404;
  error.message =
      absl::StrCat("there is no ", request.method, " ", request.path, " here");
  error.code = "not_found";
  return error;
}

// The library would decompress a body without a limit.
bool IsEncoded(const httplib::Request& request) {
  const auto [first, last] = request.headers.equal_range("Content-Encoding");
  return std::any_of(first, last, [](const auto& header) {
    return !absl::EqualsIgnoreCase(header.second, "identity");
  });
}

}  // namespace

struct HttpServer::Impl {
  Impl(const Options& given, coordinator::RequestQueue& requests)
      : options(given), queue(requests), listener(given.limits) {}

  void AddRoutes();
  void AddProbes();
  void AddModels();
  bool IsAllowed(const httplib::Request& request, httplib::Response& response);

  const Options options;
  coordinator::RequestQueue& queue;
  const int64_t created = absl::ToUnixSeconds(absl::Now());
  int port = 0;
  base::Mutex understanding;
  HttpListener listener;  // ends first
};

bool HttpServer::Impl::IsAllowed(const httplib::Request& request,
                                 httplib::Response& response) {
  if (options.api_key.empty()) {
    const std::string strange = StrangeName(request, options.host_names);
    if (strange.empty()) return true;
    SetError(WrongHost(strange), response);
    return false;
  }
  if (request.path == "/healthz" || request.path == "/readyz") return true;
  const std::string shown = request.get_header_value("Authorization");
  if (IsSameKey(shown, absl::StrCat("Bearer ", options.api_key))) return true;
  response.set_header("WWW-Authenticate", "Bearer");
  SetError(WrongKey(shown.empty()), response);
  return false;
}

void HttpServer::Impl::AddProbes() {
  listener.Get("/healthz", [](const auto&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  });
  listener.Get("/readyz", [this](const auto&, httplib::Response& response) {
    const ServiceState state = queue.state();
    Json body = {{"state", std::string(ToString(state))}};
    if (state != ServiceState::kReady) {
      body["reason"] = std::string(queue.reason().message());
      response.status = 503;
    }
    response.set_content(
        body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n",
        "application/json");
  });
  listener.Get("/metrics", [this](const auto&, httplib::Response& response) {
    response.set_content(MetricsText(queue.counters(), queue.state()),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
}

void HttpServer::Impl::AddModels() {
  const Json model = {{"id", options.model_name},
                      {"object", "model"},
                      {"created", created},
                      {"owned_by", "shoal"}};
  const std::string list =
      Json{{"object", "list"}, {"data", Json::array({model})}}.dump();
  listener.Get("/v1/models", [list](const auto&, httplib::Response& response) {
    response.set_content(list, "application/json");
  });
  listener.Get("/v1/models/(.+)",
               [this, one = model.dump()](const httplib::Request& request,
                                          httplib::Response& response) {
                 if (request.matches[1] == options.model_name) {
                   return response.set_content(one, "application/json");
                 }
                 SetError(NotHere(request), response);
               });
}

void HttpServer::Impl::AddRoutes() {
  listener.set_pre_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) {
        using Handler = httplib::Server::HandlerResponse;
        if (!IsAllowed(request, response)) return Handler::Handled;
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
  AddProbes();
  AddModels();
  for (const bool is_chat : {true, false}) {
    listener.Post(is_chat ? "/v1/chat/completions" : "/v1/completions",
                  [this, is_chat](const httplib::Request& request,
                                  httplib::Response& response) {
                    AnswerCompletion(is_chat, options.model_name, queue,
                                     understanding, request, response);
                  });
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Options& options, coordinator::RequestQueue& queue) {
  auto impl = std::make_unique<Impl>(options, queue);
  HttpListener& listener = impl->listener;
  listener.set_payload_max_length(kBodyBytesMax);
  listener.set_tcp_nodelay(true);
  // A second process on the same port is a mistake, not load balancing.
  listener.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  impl->AddRoutes();
  if (options.port == 0) {
    impl->port = listener.bind_to_any_port(options.host);
  } else if (listener.bind_to_port(options.host, options.port)) {
    impl->port = options.port;
  }
  if (impl->port <= 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", options.host, " port ", options.port,
        ": the port is in use, or the address is not this machine's; choose "
        "another (--http), or port 0 for any"));
  }
  listener.Start(std::min(options.connection_count_max, kConnectionCountMax));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() = default;

bool HttpServer::serving() const { return impl_->listener.serving(); }

uint16_t HttpServer::port() const { return static_cast<uint16_t>(impl_->port); }

}  // namespace shoal::http
