// Bytes between this rank and one peer, in whole frames.

#ifndef SHOAL_TRANSPORT_CHANNEL_H_
#define SHOAL_TRANSPORT_CHANNEL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "transport/frame.h"

namespace shoal::transport {

// Why a group of channels was given up; shared by the group and its channels.
// Threads: thread-safe.
class AbortState {
 public:
  // The first call wins. REQUIRES: !status.ok().
  void Set(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  bool aborted() const { return aborted_.load(std::memory_order_acquire); }

  // OK until Set().
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::atomic<bool> aborted_ = false;
  mutable base::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// A received frame. `payload` is aligned to 8 bytes and belongs to the channel:
// it is valid until the next Receive() of that channel.
struct Frame {
  FrameHeader header;
  std::span<const std::byte> payload;
};

// The link to one peer during one epoch. Frames arrive once, in order and
// undamaged, or the channel fails; it never repeats, skips or reconnects.
//
// Limits:   payload_bytes_max per frame; the transport's high-water mark of
//           frames each way, beyond which Send() waits for the peer.
// Threads:  one thread at a time; the counters can be read from any.
// Failure:  kDeadlineExceeded leaves the channel as it was: the call may be
//           repeated. So does a frame that Send() refuses. Any other error is
//           final, and later calls return it again. Form a new group (next
//           epoch).
class Channel {
 public:
  struct Options {
    uint32_t rank = 0;       // own
    uint32_t peer_rank = 0;  // whose frames are received here
    std::string peer_name;   // device name, for messages
    uint64_t epoch = 0;
    uint64_t payload_bytes_max = 0;  // <= kPayloadBytesLimit
    std::shared_ptr<const AbortState> abort;
  };

  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Sends one frame. The channel fills in epoch, sequence, rank and
  // payload_bytes of the header; the caller's values are ignored. `payload` may
  // be reused as soon as the call returns. OK means handed to the transport:
  // only an answer of the peer proves that the frame arrived, and destroying
  // the group may lose frames that are still under way. A frame of which a part
  // had left when the deadline came counts as sent; the rest leaves with the
  // next call of this channel.
  // REQUIRES: layer, phase and tokens within the limits of frame.h.
  // Errors:
  //   kInvalidArgument    payload above payload_bytes_max
  //   kDeadlineExceeded   the peer took no frame until `deadline`; not sent
  //   kUnavailable        the peer closed its end or vanished
  //   the group's status  Abort() was called
  absl::Status Send(const FrameHeader& header,
                    std::span<const std::byte> payload, absl::Time deadline);

  // Waits for the next frame. Frames of an older epoch are dropped.
  // Errors; messages name the peer's rank and device:
  //   kDeadlineExceeded    none by `deadline`; the message says how long
  //   kUnavailable         the peer closed its end or vanished, or frames are
  //                        missing or out of order
  //   kDataLoss            the checksum does not match
  //   kInvalidArgument     a header field is out of range or of another rank,
  //                        or a frame has no place in the shared memory
  //   kFailedPrecondition  of a newer epoch: this device missed a plan; or of
  //                        another protocol version
  //   the peer's status    the peer sent SendAbort()
  //   the group's status   Abort() was called
  absl::StatusOr<Frame> Receive(absl::Time deadline);

  // Tells the peer why this rank gives up: its Receive() returns `status`, with
  // our rank before the text. Best effort. Errors: as Send().
  // REQUIRES: !status.ok().
  absl::Status SendAbort(const absl::Status& status, absl::Time deadline);

  // How long a call may poll, on a core of its own, before it lets the thread
  // sleep: a sleeping thread is 10 to 50 us late. Zero: sleeps at once. Choose
  // tens of microseconds while idle, and some hundreds while a pass runs, but
  // zero where threads outnumber the cores. At first:
  // NetworkOptions::polling_time. Transports that cannot poll ignore it.
  // Same thread as the calls.
  virtual void set_polling_time(absl::Duration) {}

  uint32_t peer_rank() const { return options_.peer_rank; }
  const std::string& peer_name() const { return options_.peer_name; }
  uint64_t epoch() const { return options_.epoch; }
  uint64_t payload_bytes_max() const { return options_.payload_bytes_max; }

  // Bytes of all frames so far, headers included, hellos and refused or
  // dropped frames not.
  uint64_t bytes_sent() const { return bytes_sent_; }
  uint64_t bytes_received() const { return bytes_received_; }
  // Of bytes_sent(), those that lay in memory that both processes share.
  uint64_t bytes_shared() const { return bytes_shared_; }

 protected:
  explicit Channel(Options options);

  // Moves one whole frame, without looking into it. The view of ReceiveBytes()
  // is valid until its next call, and aligned to 8 bytes at the header's end.
  // Errors: kDeadlineExceeded; kCancelled when `abort` is set; any other is the
  // peer's doing, and its text goes on after "rank 2 (kitchen) ".
  virtual absl::Status SendBytes(
      std::span<const std::byte, kFrameHeaderBytes> header,
      std::span<const std::byte> payload, absl::Time deadline) = 0;
  virtual absl::StatusOr<std::span<const std::byte>> ReceiveBytes(
      absl::Time deadline) = 0;

  // Where a frame of so many bytes can be written for the peer to read it
  // there, aligned to 8 bytes; SendRoom() then sends it. Empty: nowhere, use
  // SendBytes(). Errors: as SendBytes(); nothing was taken.
  virtual absl::StatusOr<std::span<std::byte>> TakeRoom(size_t, absl::Time) {
    return std::span<std::byte>();
  }
  // REQUIRES: the call before was TakeRoom(), and gave some.
  virtual absl::Status SendRoom(absl::Time) {
    return absl::InternalError("no room was taken");
  }
  // Whether the bytes of the last ReceiveBytes() lie in such room.
  virtual bool received_in_memory() const { return false; }

  const AbortState& abort() const { return *options_.abort; }

 private:
  friend class ChannelTestPeer;  // sends frames that Send() would not

  // Nothing: to be dropped.
  absl::StatusOr<std::optional<Frame>> ReadFrame(
      std::span<const std::byte> bytes);
  absl::Status Explain(const absl::Status& status, const char* verb,
                       absl::Time started);
  absl::Status Fail(const absl::Status& status);
  // Whether the frame was sent so; else it is to go by SendBytes().
  absl::StatusOr<bool> SendShared(const FrameHeader& header,
                                  std::span<const std::byte> payload,
                                  absl::Time deadline);

  const Options options_;
  const std::string peer_;      // "rank 2 (kitchen)"
  absl::Status failure_;        // the final error
  uint64_t next_sent_ = 1;      // sequence; the hello was 0
  uint64_t next_received_ = 1;  // sequence
  std::atomic<uint64_t> bytes_sent_ = 0;
  std::atomic<uint64_t> bytes_received_ = 0;
  std::atomic<uint64_t> bytes_shared_ = 0;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_CHANNEL_H_
