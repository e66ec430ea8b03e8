// Messages over one TCP connection, without a thread of its own.

#ifndef SHOAL_TRANSPORT_TCP_STREAM_H_
#define SHOAL_TRANSPORT_TCP_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/link.h"
#include "transport/receive_buffer.h"
#include "transport/tcp_socket.h"

namespace shoal::transport {

// A message goes out by one call of sendmsg() from where the caller has it, and
// comes in by one recv() into the buffer that the caller gets a view of.
//
// Waiting:  calls poll for the polling time, then sleep in poll(2); for a while
//           they do not poll when others turn out to need the core. A Send()
//           that has to wait reads on meanwhile, up to the high-water mark, so
//           that two ranks may send large messages to each other at once.
// Threads:  one at a time; `abort` and `wake` are set from any.
class TcpStream {
 public:
  // REQUIRES: `fd` is connected, not blocking, and SetUpTcp() was called.
  TcpStream(const LinkOptions& options, UniqueFd fd);
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  // As of Link. A message of which a part had left at the deadline is kept, and
  // counts as sent.
  absl::Status Send(std::span<const std::byte> head,
                    std::span<const std::byte> tail, absl::Time deadline);
  absl::StatusOr<std::span<std::byte>> Receive(absl::Time deadline);

  void set_polling_time(absl::Duration time) { polling_time_ = time; }

 private:
  // One call's waiting.
  struct Patience {
    absl::Time deadline;
    absl::Time polling_until;
    absl::Time looked;  // at the socket, last
  };
  Patience PatienceUntil(absl::Time deadline) const;

  // Hands what it can of head and tail from byte `done` on to the kernel.
  // Returns how much: 0 if the kernel takes nothing now. Errors: kUnavailable
  absl::StatusOr<size_t> Write(std::span<const std::byte> head,
                               std::span<const std::byte> tail, size_t done);
  // Whether nothing is left of a message that was cut off at its deadline.
  absl::StatusOr<bool> WriteRest();
  // Whether there was anything to read, the end of the stream included.
  bool Read();
  // Until a moment later, or the socket is ready. Errors: kDeadlineExceeded;
  // kUnavailable  the peer's machine is silent
  absl::Status Wait(short events, Patience& patience);

  const LinkOptions options_;
  const UniqueFd fd_;
  absl::Duration polling_time_;
  absl::Time polling_again_ = absl::InfinitePast();
  ReceiveBuffer buffer_;
  SilenceWatch silence_;
  bool ended_ = false;           // no more bytes come
  std::vector<std::byte> rest_;  // of a message that was cut off
  size_t rest_done_ = 0;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_TCP_STREAM_H_
