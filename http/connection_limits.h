// How long and how much a client of HTTP may send or leave unread.

#ifndef SHOAL_HTTP_CONNECTION_LIMITS_H_
#define SHOAL_HTTP_CONNECTION_LIMITS_H_

#include <cstddef>

#include "absl/time/time.h"

namespace shoal::http {

struct ConnectionLimits {
  absl::Duration head_time = absl::Seconds(30);  // for a whole head
  absl::Duration body_time = absl::Seconds(60);  // and then for a whole body
  // Between two pieces of a request, and of an answer that is not read.
  absl::Duration read_silence = absl::Seconds(10);
  absl::Duration write_silence = absl::Seconds(30);
  // Bytes of requests that are held at a time, of all connections together:
  // from when they come until they are answered.
  size_t held_bytes_max = size_t{16} << 20;
};

}  // namespace shoal::http

#endif  // SHOAL_HTTP_CONNECTION_LIMITS_H_
