// The process's ZeroMQ context: its I/O thread and its sockets.

#ifndef SHOAL_TRANSPORT_ZMQ_CONTEXT_H_
#define SHOAL_TRANSPORT_ZMQ_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

namespace shoal::transport {

// One per process, made by who owns the process's networks. Its thread and
// tables take about 1 MiB.
//
// Threads:  thread-safe.
// Failure:  the destructor waits until all sockets are closed.
//           REQUIRES: networks and groups are gone by then; not used by a
//           forked child.
class ZmqContext {
 public:
  // REQUIRES: io_thread_count >= 1.
  // Errors: kResourceExhausted  too many files or threads
  static absl::StatusOr<std::unique_ptr<ZmqContext>> Create(
      int io_thread_count = 1);
  ~ZmqContext();
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;

 private:
  friend class ZmqLink;
  friend class BareZmqSockets;

  explicit ZmqContext(void* handle) : handle_(handle) {}

  void* const handle_;  // of libzmq
  std::atomic<uint64_t> monitor_count_ = 0;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_ZMQ_CONTEXT_H_
