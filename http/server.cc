#include "http/server.h"

#include <httplib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "http/access.h"
#include "http/completion_handler.h"
#include "http/connection.h"
#include "http/listener_setup.h"
#include "http/metrics.h"
#include "nlohmann/json.hpp"

namespace shoal::http {
namespace {

using Json = nlohmann::ordered_json;
using coordinator::ServiceState;

}  // namespace

struct HttpServer::Impl {
  Impl(const Options& given, coordinator::RequestQueue& requests)
      : options(given), queue(requests), listener(given.limits) {}

  void AddRoutes();
  void AddProbes();
  void AddModels();

  const Options options;
  coordinator::RequestQueue& queue;
  const int64_t created = absl::ToUnixSeconds(absl::Now());
  uint16_t port = 0;
  base::Mutex understanding;
  HttpListener listener;  // ends first
};

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
  AddRefusals(
      [this](const httplib::Request& request, httplib::Response& response) {
        const bool needs_key =
            request.path != "/healthz" && request.path != "/readyz";
        return IsAllowed({options.api_key, options.host_names}, needs_key,
                         request, response);
      },
      listener);
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
  impl->AddRoutes();
  SHOAL_ASSIGN_OR_RETURN(impl->port,
                         Bind(options.host, options.port, listener));
  listener.Start(std::min(options.connection_count_max, kConnectionCountMax));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() = default;

bool HttpServer::serving() const { return impl_->listener.serving(); }

uint16_t HttpServer::port() const { return impl_->port; }

}  // namespace shoal::http
