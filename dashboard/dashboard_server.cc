#include "dashboard/dashboard_server.h"

#include <httplib.h>

#include <atomic>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "dashboard/page_files.h"
#include "http/api_error.h"
#include "http/completion_handler.h"
#include "http/completion_request.h"
#include "http/connection.h"
#include "http/listener_setup.h"
#include "nlohmann/json.hpp"

namespace shoal::dashboard {
namespace {

using http::ApiError;
using http::HttpListener;

constexpr absl::Duration kGoneCheckInterval = absl::Milliseconds(100);
// Proxies end connections that are silent for long: a comment keeps them.
constexpr absl::Duration kCommentInterval = absl::Seconds(10);
// Beside the streams: files of the page, and requests that arrive.
constexpr uint32_t kSpareConnections = 8;

// Scripts, styles and requests of this origin, and nothing else of anywhere.
constexpr char kContentPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

void AddSafetyHeaders(httplib::Response& response) {
  response.set_header("Content-Security-Policy", kContentPolicy);
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("X-Frame-Options", "DENY");
  response.set_header("Referrer-Policy", "no-referrer");
  response.set_header("Cross-Origin-Resource-Policy", "same-origin");
  response.set_header("Cache-Control", "no-store");
}

// Whether a page of elsewhere asks, as far as its browser says so.
bool IsOfElsewhere(const httplib::Request& request) {
  const std::string origin = request.get_header_value("Origin");
  if (origin.empty()) return false;
  const std::string host = request.get_header_value("Host");
  return !absl::EqualsIgnoreCase(origin, absl::StrCat("http://", host)) &&
         !absl::EqualsIgnoreCase(origin, absl::StrCat("https://", host));
}

ApiError Elsewhere() {
  ApiError error;
  error.status = 403;
  error.message =
      "a page of another site asked; only the page of this service may";
  error.code = "other_origin";
  return error;
}

// One of those that may stream; counts itself.
class StreamPlace {
 public:
  explicit StreamPlace(std::atomic<int>& count)
      : count_(count), number_(count.fetch_add(1) + 1) {}
  ~StreamPlace() { --count_; }
  StreamPlace(const StreamPlace&) = delete;
  StreamPlace& operator=(const StreamPlace&) = delete;

  bool is_one_too_many() const {
    return number_ > DashboardServer::kStreamCountMax;
  }

 private:
  std::atomic<int>& count_;
  const int number_;
};

// `next` gives events, or nothing for a while; `has_ended` is asked after it.
// Both live until the answer is written or its client has gone.
void StreamEvents(std::shared_ptr<StreamPlace> place,
                  std::function<std::string(absl::Time)> next,
                  std::function<bool()> has_ended,
                  const httplib::Request& request,
                  httplib::Response& response) {
  auto last_sent = std::make_shared<absl::Time>(absl::Now());
  response.set_chunked_content_provider(
      "text/event-stream",
      [place = std::move(place), next = std::move(next),
       has_ended = std::move(has_ended), last_sent,
       &request](size_t /*offset*/, httplib::DataSink& sink) {
        std::string events = next(absl::Now() + kGoneCheckInterval);
        if (!HttpListener::IsConnected(request)) return false;
        if (events.empty() && absl::Now() >= *last_sent + kCommentInterval) {
          events = ": waiting\n\n";
        }
        if (!events.empty()) {
          *last_sent = absl::Now();
          if (!sink.write(events.data(), events.size())) return false;
        }
        if (has_ended()) sink.done();
        return true;
      });
}

std::optional<ApiError> ParseChat(const std::string& body,
                                  coordinator::GenerateRequest& to) {
  http::CompletionRequest asked;
  // Whoever has messages wants an answer to them; which of the two a body is
  // shows where it is understood, and a text without a prompt says so.
  const bool is_chat = absl::StrContains(body, "\"messages\"");
  const std::optional<ApiError> wrong =
      is_chat ? http::ParseChatRequest(body, asked)
              : http::ParseTextRequest(body, asked);
  if (wrong) return wrong;
  to = std::move(asked.generate);
  std::random_device random;
  to.sampling.seed = asked.seed.value_or((uint64_t{random()} << 32) | random());
  return std::nullopt;
}

std::optional<coordinator::FleetChange> ParseChange(const std::string& body) {
  using Kind = coordinator::FleetChange::Kind;
  const auto asked = nlohmann::json::parse(body, nullptr, false);
  const auto text = [&asked](const char* name) -> std::string {
    if (!asked.is_object()) return "";
    const auto found = asked.find(name);
    return found != asked.end() && found->is_string()
               ? found->get<std::string>()
               : "";
  };
  coordinator::FleetChange change;
  const std::string word = text("change");
  change.device = text("device");
  if (word == "replan") return change;
  if (change.device.empty()) return std::nullopt;
  change.kind = word == "drain" ? Kind::kDrain : Kind::kResume;
  if (word != "drain" && word != "resume") return std::nullopt;
  return change;
}

}  // namespace

struct DashboardServer::Impl {
  Impl(Options given, LiveFeed& live)
      : options(std::move(given)), feed(live), listener(options.limits) {}

  void AddRoutes();
  void AddFiles();
  // Null: `response` says that there are too many.
  std::shared_ptr<StreamPlace> Place(httplib::Response& response);
  void AnswerEvents(const httplib::Request& request,
                    httplib::Response& response);
  void AnswerModel(httplib::Response& response);
  void AnswerChat(const httplib::Request& request, httplib::Response& response);
  void AnswerChange(const httplib::Request& request,
                    httplib::Response& response);

  const Options options;
  LiveFeed& feed;
  uint16_t port = 0;
  std::atomic<int> stream_count = 0;
  base::Mutex understanding;  // one request at a time, as it takes memory
  HttpListener listener;      // ends first
};

void DashboardServer::Impl::AddFiles() {
  for (const PageFile& file : PageFiles()) {
    listener.Get(std::string(file.path),
                 [&file](const auto&, httplib::Response& response) {
                   response.set_content(file.bytes.data(), file.bytes.size(),
                                        std::string(file.content_type));
                 });
  }
}

std::shared_ptr<StreamPlace> DashboardServer::Impl::Place(
    httplib::Response& response) {
  auto place = std::make_shared<StreamPlace>(stream_count);
  if (!place->is_one_too_many()) return place;
  ApiError error;
  error.status = 503;
  error.message =
      absl::StrCat("the page is open ", kStreamCountMax,
                   " times already; close it somewhere and load it again");
  error.code = "too_many_pages";
  http::SetError(error, response);
  return nullptr;
}

void DashboardServer::Impl::AnswerEvents(const httplib::Request& request,
                                         httplib::Response& response) {
  auto place = Place(response);
  if (place == nullptr) return;
  const auto reader = std::make_shared<LiveFeed::Reader>(feed);
  StreamEvents(
      std::move(place),
      [reader](absl::Time deadline) { return reader->Next(deadline); },
      [this] { return feed.closed(); }, request, response);
}

void DashboardServer::Impl::AnswerModel(httplib::Response& response) {
  const absl::StatusOr<ChatModel> model = options.model();
  if (!model.ok()) {
    return http::SetError(http::FromStatus(model.status()), response);
  }
  const nlohmann::ordered_json body = {
      {"name", model->name},
      {"context_positions", model->context_positions},
      {"has_chat_template", model->has_chat_template}};
  response.set_content(
      body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
      "application/json");
}

void DashboardServer::Impl::AnswerChat(const httplib::Request& request,
                                       httplib::Response& response) {
  if (IsOfElsewhere(request)) return http::SetError(Elsewhere(), response);
  coordinator::GenerateRequest asked;
  {
    base::MutexLock lock(understanding);
    const std::optional<ApiError> wrong = ParseChat(request.body, asked);
    if (wrong) return http::SetError(*wrong, response);
  }
  auto place = Place(response);
  if (place == nullptr) return;
  const auto chat =
      std::make_shared<ChatStream>(options.generate, std::move(asked));
  StreamEvents(
      std::move(place),
      [chat](absl::Time deadline) { return chat->Next(deadline); },
      [this, chat] { return chat->ended() || feed.closed(); }, request,
      response);
}

void DashboardServer::Impl::AnswerChange(const httplib::Request& request,
                                         httplib::Response& response) {
  if (IsOfElsewhere(request)) return http::SetError(Elsewhere(), response);
  const auto change = ParseChange(request.body);
  if (!change) {
    return http::SetError(
        http::FromStatus(absl::InvalidArgumentError(
            "it must be {\"change\":\"drain\" or \"resume\",\"device\":NAME} "
            "or {\"change\":\"replan\"}")),
        response);
  }
  const absl::StatusOr<std::string> accepted = options.change(*change);
  if (!accepted.ok()) {
    return http::SetError(http::FromStatus(accepted.status()), response);
  }
  const nlohmann::json body = {{"text", *accepted}};
  response.set_content(
      body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
      "application/json");
}

void DashboardServer::Impl::AddRoutes() {
  http::AddRefusals(
      [this](const httplib::Request& request, httplib::Response& response) {
        AddSafetyHeaders(response);
        return http::IsAllowed(options.access,
                               absl::StartsWith(request.path, "/api/"), request,
                               response);
      },
      listener);
  AddFiles();
  listener.Get("/api/events", [this](const httplib::Request& request,
                                     httplib::Response& response) {
    AnswerEvents(request, response);
  });
  listener.Get("/api/model", [this](const auto&, httplib::Response& response) {
    AnswerModel(response);
  });
  listener.Post("/api/chat", [this](const httplib::Request& request,
                                    httplib::Response& response) {
    AnswerChat(request, response);
  });
  listener.Post("/api/change", [this](const httplib::Request& request,
                                      httplib::Response& response) {
    AnswerChange(request, response);
  });
}

DashboardServer::DashboardServer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<DashboardServer>> DashboardServer::Start(
    Options options, LiveFeed& feed) {
  auto impl = std::make_unique<Impl>(std::move(options), feed);
  impl->AddRoutes();
  SHOAL_ASSIGN_OR_RETURN(
      impl->port,
      http::Bind(impl->options.host, impl->options.port, impl->listener));
  impl->listener.Start(kStreamCountMax + kSpareConnections);
  return std::unique_ptr<DashboardServer>(new DashboardServer(std::move(impl)));
}

DashboardServer::~DashboardServer() = default;

bool DashboardServer::serving() const { return impl_->listener.serving(); }

uint16_t DashboardServer::port() const { return impl_->port; }

int DashboardServer::stream_count() const { return impl_->stream_count; }

}  // namespace shoal::dashboard
