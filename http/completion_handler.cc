#include "http/completion_handler.h"

#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "http/completion_json.h"
#include "http/completion_request.h"
#include "http/connection.h"

namespace shoal::http {
namespace {

using coordinator::FinishReason;
using coordinator::RequestNews;
using coordinator::RequestStream;

constexpr absl::Duration kGoneCheckInterval = absl::Milliseconds(100);
// Proxies end connections that are silent for long: a comment keeps them.
constexpr absl::Duration kCommentInterval = absl::Seconds(10);
constexpr char kRetryAfterSeconds[] = "5";

uint64_t RandomNumber() {
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

ApiError UnknownModel(const std::string& asked, const std::string& there_is) {
  ApiError error = WrongField("model",
                              absl::StrCat("there is no model \"", asked,
                                           "\" here, but \"", there_is, "\""),
                              "model_not_found");
  error.status = 404;
  return error;
}

ApiError Interrupted() {
  return FromStatus(absl::UnavailableError("the service is shutting down"));
}

// Writes the events of one request; the library calls Write() until it says
// that it is done.
class EventWriter {
 public:
  EventWriter(CompletionHead head, std::shared_ptr<RequestStream> stream)
      : head_(std::move(head)), stream_(std::move(stream)) {}
  // However it ended: nobody listens any more.
  ~EventWriter() { stream_->Cancel(); }

  // False: the connection is to be closed.
  bool Write(httplib::DataSink& sink, const httplib::Request& request) {
    if (!begun_) {
      begun_ = true;
      const std::string first = FirstEvent(head_);
      if (!first.empty()) return Send(first, sink);
    }
    RequestNews news = stream_->Next(absl::Now() + kGoneCheckInterval);
    if (!HttpListener::IsConnected(request)) return false;
    if (news.empty()) {
      if (absl::Now() < last_sent_ + kCommentInterval) return true;
      return Send(": waiting\n\n", sink);
    }
    std::string events;
    if (!news.text.empty() || !news.logprobs.empty()) {
      events = PieceEvent(head_, news.text, news.logprobs, token_bytes_);
      for (const auto& choice : news.logprobs) {
        token_bytes_ += choice.chosen.bytes.size();
      }
    }
    if (!news.end) return Send(events, sink);
    if (!Send(events + Ending(*news.end), sink)) return false;
    sink.done();
    return true;
  }

 private:
  std::string Ending(
      const absl::StatusOr<coordinator::GenerateResult>& end) const {
    if (!end.ok()) return EventOf(FromStatus(end.status()).ToJson());
    if (end->finish_reason == FinishReason::kCancelled) {
      return EventOf(Interrupted().ToJson());
    }
    return absl::StrCat(LastPieceEvent(head_, end->finish_reason),
                        UsageEvent(head_, *end), EndEvent());
  }

  bool Send(const std::string& events, httplib::DataSink& sink) {
    last_sent_ = absl::Now();
    return sink.write(events.data(), events.size());
  }

  const CompletionHead head_;
  const std::shared_ptr<RequestStream> stream_;
  bool begun_ = false;
  size_t token_bytes_ = 0;  // of the tokens with probabilities, so far
  absl::Time last_sent_ = absl::Now();
};

void AnswerWhole(const CompletionHead& head, RequestStream& stream,
                 const httplib::Request& request, httplib::Response& response) {
  for (;;) {
    RequestNews news = stream.Next(absl::Now() + kGoneCheckInterval);
    if (!HttpListener::IsConnected(request)) stream.Cancel();
    if (!news.end) continue;
    if (!news.end->ok())
      return SetError(FromStatus(news.end->status()), response);
    if ((*news.end)->finish_reason == FinishReason::kCancelled) {
      return SetError(Interrupted(), response);
    }
    return response.set_content(CompletionJson(head, **news.end),
                                "application/json");
  }
}

// What is asked but for the prompt, which the queue has from here on.
struct Asked {
  std::shared_ptr<RequestStream> stream;
  bool streams = false;
  bool include_usage = false;
};

std::optional<ApiError> Submit(bool is_chat, const std::string& model_name,
                               const std::string& body,
                               coordinator::RequestQueue& queue, Asked& to) {
  CompletionRequest asked;
  std::optional<ApiError> wrong =
      is_chat ? ParseChatRequest(body, asked) : ParseTextRequest(body, asked);
  if (wrong) return wrong;
  if (!asked.model.empty() && asked.model != model_name) {
    return UnknownModel(asked.model, model_name);
  }
  asked.generate.sampling.seed = asked.seed.value_or(RandomNumber());
  auto stream = queue.Submit(asked.generate);
  if (!stream.ok()) return FromStatus(stream.status());
  to = {*std::move(stream), asked.stream, asked.include_usage};
  return std::nullopt;
}

}  // namespace

void SetError(const ApiError& error, httplib::Response& response) {
  response.status = error.status;
  if (error.status == 429 || error.status == 503) {
    response.set_header("Retry-After", kRetryAfterSeconds);
  }
  response.set_content(error.ToJson(), "application/json");
}

void AnswerCompletion(bool is_chat, const std::string& model_name,
                      coordinator::RequestQueue& queue,
                      base::Mutex& understanding,
                      const httplib::Request& request,
                      httplib::Response& response) {
  Asked asked;
  {
    base::MutexLock lock(understanding);
    const std::optional<ApiError> wrong =
        Submit(is_chat, model_name, request.body, queue, asked);
    if (wrong) return SetError(*wrong, response);
  }
  CompletionHead head;
  head.is_chat = is_chat;
  head.id = absl::StrCat(is_chat ? "chatcmpl-" : "cmpl-",
                         absl::Hex(RandomNumber(), absl::kZeroPad16));
  head.created = absl::ToUnixSeconds(absl::Now());
  head.model = model_name;
  head.include_usage = asked.include_usage;
  if (!asked.streams) {
    return AnswerWhole(head, *asked.stream, request, response);
  }
  auto writer = std::make_shared<EventWriter>(head, std::move(asked.stream));
  response.set_header("Cache-Control", "no-cache");
  response.set_chunked_content_provider(
      "text/event-stream",
      [writer, &request](size_t /*offset*/, httplib::DataSink& sink) {
        return writer->Write(sink, request);
      });
}

}  // namespace shoal::http
