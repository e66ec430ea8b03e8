#include "transport/receive_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"
#include "transport/frame.h"

namespace shoal::transport {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr size_t kFrameAlignment = 8;

size_t AlignedUp(uint64_t bytes) {
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

}  // namespace

ReceiveBuffer::ReceiveBuffer(uint64_t payload_bytes_max,
                             uint32_t waiting_frames)
    : frame_bytes_max_(kFrameHeaderBytes + payload_bytes_max),
      capacity_((1 + uint64_t{waiting_frames}) * AlignedUp(frame_bytes_max_)),
      data_(static_cast<std::byte*>(::operator new(capacity_, kAlignment))) {
  SHOAL_CHECK(waiting_frames >= 1);
}

ReceiveBuffer::~ReceiveBuffer() { ::operator delete(data_, kAlignment); }

uint64_t ReceiveBuffer::WaitingFrameBytes() const {
  if (end_ - next_ < kFrameHeaderBytes) return 0;
  return FrameBytesOf(std::span<const std::byte, kFrameHeaderBytes>(
      data_ + next_, kFrameHeaderBytes));
}

std::span<std::byte> ReceiveBuffer::Room() {
  size_t wanted = kReadAheadBytes;
  const uint64_t frame = WaitingFrameBytes();
  const size_t have = end_ - next_;
  // A long frame is read to its end and no further.
  if (frame > have + kReadAheadBytes && frame <= frame_bytes_max_) {
    wanted = frame - have;
  }
  return {data_ + end_, std::min(wanted, capacity_ - end_)};
}

void ReceiveBuffer::Filled(size_t count) {
  SHOAL_CHECK(count <= capacity_ - end_, count);
  end_ += count;
}

std::optional<std::span<std::byte>> ReceiveBuffer::Next() {
  SHOAL_CHECK(!in_use_);
  const size_t waiting = end_ - next_;
  uint64_t frame = WaitingFrameBytes();
  if (frame > frame_bytes_max_) frame = waiting;
  if (frame == 0 || frame > waiting) return std::nullopt;
  // It lies askew after a frame of odd length; what is before it is used up.
  const size_t askew = next_ % kFrameAlignment;
  std::byte* const begin = data_ + next_ - askew;
  if (askew != 0) std::memmove(begin, data_ + next_, frame);
  next_ += frame;
  in_use_ = true;
  return std::span<std::byte>(begin, frame);
}

void ReceiveBuffer::Release() {
  in_use_ = false;
  const size_t waiting = end_ - next_;
  // A byte is moved only where one was used up: at most one copy of all. And
  // whatever is left in place has room for a whole frame.
  if (waiting > next_) return;
  std::memmove(data_, data_ + next_, waiting);
  next_ = 0;
  end_ = waiting;
}

}  // namespace shoal::transport
