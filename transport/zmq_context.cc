#include "transport/zmq_context.h"

#include <zmq.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace shoal::transport {

absl::StatusOr<std::unique_ptr<ZmqContext>> ZmqContext::Create(
    int io_thread_count) {
  SHOAL_CHECK(io_thread_count >= 1, io_thread_count);
  void* const handle = zmq_ctx_new();
  if (handle == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start ZeroMQ: ", zmq_strerror(errno)));
  }
  SHOAL_CHECK(zmq_ctx_set(handle, ZMQ_IO_THREADS, io_thread_count) == 0);
  // The I/O thread starts with the first socket; better to fail here.
  void* const probe = zmq_socket(handle, ZMQ_PAIR);
  if (probe == nullptr) {
    const int error = errno;
    zmq_ctx_term(handle);
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start ZeroMQ: ", zmq_strerror(error)));
  }
  zmq_close(probe);
  return std::unique_ptr<ZmqContext>(new ZmqContext(handle));
}

ZmqContext::~ZmqContext() {
  while (zmq_ctx_term(handle_) != 0 && errno == EINTR) {
  }
}

}  // namespace shoal::transport
