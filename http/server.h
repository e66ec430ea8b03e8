// The service's face for programs: HTTP with the OpenAI dialect.

#ifndef SHOAL_HTTP_SERVER_H_
#define SHOAL_HTTP_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/request_queue.h"
#include "http/connection_limits.h"

namespace shoal::http {

// POST /v1/chat/completions, /v1/completions; GET /v1/models, /v1/models/NAME,
// /healthz, /readyz, /metrics. Errors are those of ApiError.
//
// Without a key a page of the web must not ask through somebody's browser. So
// names in Host and Origin that are not known are refused (403): a stranger's
// name may lead to this machine's address (DNS rebinding). Addresses in figures
// and localhost are what they are.
//
// Limits:  those of HttpListener; `connection_count_max` connections are
//          served at a time, at most kConnectionCountMax, and others wait.
// Memory:  of requests ConnectionLimits::held_bytes_max, twice that where
//          bodies are grown; one of them at a time is understood, which may
//          take some 40 MiB for a moment at its limits.
// Threads: owns one for each connection that is served, and one that accepts.
class HttpServer {
 public:
  static constexpr uint32_t kConnectionCountMax = 512;

  struct Options {
    std::string host = "127.0.0.1";  // without brackets
    uint16_t port = 0;               // 0: any
    // What clients must show as "Authorization: Bearer KEY", but for /healthz
    // and /readyz; empty: nothing is asked. Never logged.
    std::string api_key;
    // Names under which clients without a key reach it, "localhost" apart.
    std::vector<std::string> host_names;
    std::string model_name;
    uint32_t connection_count_max = 64;
    ConnectionLimits limits;
  };

  // Serves at once, whatever the state of `queue`, which is borrowed and must
  // outlive the server.
  // Errors: kUnavailable  the address cannot be bound
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const Options& options, coordinator::RequestQueue& queue);

  // Stop `queue` before: answers in progress are waited for.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // False: something ended its listening; only a new server takes connections.
  bool serving() const;

  // The one that was bound.
  uint16_t port() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace shoal::http

#endif  // SHOAL_HTTP_SERVER_H_
