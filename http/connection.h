// cpp-httplib's server on connections that tell when the client has gone.

#ifndef SHOAL_HTTP_CONNECTION_H_
#define SHOAL_HTTP_CONNECTION_H_

#include <httplib.h>

#include <atomic>
#include <string>

namespace shoal::http {

// The library's own connections do not let a handler see that its client hung
// up before there is an answer, and they hold up Stop() while they idle. So
// these are ours, and the library does the HTTP.
//
// Limits:  a request's bytes may pause for kReadSilence, an answer's for
//          kWriteSilence; a connection idles for kIdleTime.
// Threads: as httplib::Server; a connection has a thread of its task queue.
class HttpListener final : public httplib::Server {
 public:
  static constexpr int kReadSilenceMs = 10'000;
  static constexpr int kWriteSilenceMs = 30'000;
  static constexpr int kIdleTimeMs = 5'000;

  // Idle connections end, and no new ones are taken.
  void Stop();

  // Whether the client of `request` is still there. REQUIRES: it is one that
  // this server gave to a handler, which has not returned.
  static bool IsConnected(const httplib::Request& request);

 private:
  bool process_and_close_socket(socket_t socket) override;

  std::atomic<bool> stops_ = false;
};

}  // namespace shoal::http

#endif  // SHOAL_HTTP_CONNECTION_H_
