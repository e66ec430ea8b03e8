// cpp-httplib's server on connections that tell when the client has gone.

#ifndef SHOAL_HTTP_CONNECTION_H_
#define SHOAL_HTTP_CONNECTION_H_

#include <httplib.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "http/connection_limits.h"
#include "http/held_bytes.h"

namespace shoal::http {

// The library's own connections do not let a handler see that its client hung
// up before there is an answer, hold up Stop() while they idle, and read heads
// and bodies without a limit. So these are ours, and the library does the HTTP.
//
// A connection ends after one request: bytes that an answer did not wait for
// (a body with a GET, or after a 401) are never taken for another request.
// Content-Type and Range are not looked at.
//
// Limits:  a head has kHeadBytesMax (431), a body kBodyBytesMax (413), both
//          the times of ConnectionLimits (408); a request for which there is
//          no room beside the others ends with 503.
// Threads: as httplib::Server; a connection has a thread of its task queue.
class HttpListener final : public httplib::Server {
 public:
  static constexpr size_t kHeadBytesMax = size_t{64} << 10;

  explicit HttpListener(const ConnectionLimits& limits)
      : limits_(limits), held_(limits.held_bytes_max) {}
  ~HttpListener() override;

  // Returns when connections are taken; so many are served at a time, each by
  // a thread that is there from the start. Once. REQUIRES: it is bound.
  void Start(uint32_t connection_count_max);

  // Requests that are being read end with 503, and no new ones are taken;
  // answers are waited for, but not for clients that do not read them.
  void Stop();

  // False before Start() and where no connections are taken any more.
  bool serving() const { return phase_ == kServing; }

  // Whether the client of `request` is still there. REQUIRES: it is one that
  // this server gave to a handler, which has not returned.
  static bool IsConnected(const httplib::Request& request);

 private:
  bool process_and_close_socket(socket_t socket) override;

  enum Phase { kStarting, kServing, kEnded };
  void SetPhase(Phase phase);

  const ConnectionLimits limits_;
  HeldBytes held_;
  std::atomic<bool> stops_ = false;
  std::atomic<Phase> phase_ = kStarting;
  std::thread thread_;
};

}  // namespace shoal::http

#endif  // SHOAL_HTTP_CONNECTION_H_
