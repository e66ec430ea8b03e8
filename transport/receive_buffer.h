// Cuts a stream of bytes into frames, in place.

#ifndef SHOAL_TRANSPORT_RECEIVE_BUFFER_H_
#define SHOAL_TRANSPORT_RECEIVE_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace shoal::transport {

// The socket reads into Room(), and Next() gives views of what came: no copy,
// but for what follows a frame and would lie askew or run out of room.
//
// Memory:   capacity() bytes of address space; only those pages are taken that
//           bytes were ever read into: those of one frame and kReadAheadBytes,
//           unless frames are left waiting.
// Threads:  thread-compatible.
class ReceiveBuffer {
 public:
  // How far beyond a frame it reads. What lies there may have to be moved.
  static constexpr size_t kReadAheadBytes = size_t{1} << 16;

  // Room for the frame in use and `waiting_frames` more. REQUIRES: >= 1.
  ReceiveBuffer(uint64_t payload_bytes_max, uint32_t waiting_frames);
  ~ReceiveBuffer();
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;

  // Where the next bytes of the stream belong; empty: no room until Release().
  // Never touches the frame in use.
  std::span<std::byte> Room();
  // The first `count` bytes of Room() were written.
  void Filled(size_t count);

  // The oldest whole frame, aligned to 8 bytes; in use until Release(). A
  // header that claims more than the limit gives all that is there, which
  // DecodeFrame() refuses. Nothing: more bytes are needed.
  // REQUIRES: no frame is in use.
  std::optional<std::span<std::byte>> Next();
  // Ends the use of the frame that Next() gave; without one, nothing happens.
  void Release();

  size_t capacity() const { return capacity_; }

 private:
  // Of the oldest frame that waits; 0 while its header is not whole.
  uint64_t WaitingFrameBytes() const;

  const uint64_t frame_bytes_max_;
  const size_t capacity_;
  std::byte* const data_;
  // [0, next_): used up or in use; [next_, end_): waits.
  size_t next_ = 0;
  size_t end_ = 0;
  bool in_use_ = false;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_RECEIVE_BUFFER_H_
