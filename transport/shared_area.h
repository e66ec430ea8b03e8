// Memory that two processes of one machine share, for messages in one
// direction.

#ifndef SHOAL_TRANSPORT_SHARED_AREA_H_
#define SHOAL_TRANSPORT_SHARED_AREA_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "transport/tcp_socket.h"

namespace shoal::transport {

// Shows that a path leads to the area that was meant: in another container the
// same path may be another file.
using AreaNonce = std::array<std::byte, 16>;

// A page that both ends look at, then the bytes of the messages.
class AreaMapping {
 public:
  static constexpr size_t kControlBytes = 4096;

  struct Control {
    AreaNonce nonce;
    std::atomic<uint32_t> attached;  // 1: the receiver has it
    std::atomic<uint32_t> released;  // messages that it is done with; wraps
  };
  static_assert(std::atomic<uint32_t>::is_always_lock_free);

  AreaMapping() = default;
  ~AreaMapping();
  AreaMapping(AreaMapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  AreaMapping& operator=(AreaMapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  // Maps all of `fd`. Errors: kUnavailable
  static absl::StatusOr<AreaMapping> Map(int fd, size_t message_bytes);

  Control& control() const { return *reinterpret_cast<Control*>(data_); }
  std::span<std::byte> messages() const {
    return {data_ + kControlBytes, bytes_ - kControlBytes};
  }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

// The end that writes messages, one after the other, and uses their room again
// when the other end has released them, in order. A message that finds the area
// empty is put at its beginning, so that few of its pages are touched.
//
// Memory:   all of the area is the system's to keep from Create() on.
// Threads:  thread-compatible.
// Failure:  it trusts the other end for nothing but the bytes: a count that
//           cannot be ends the use of the area (Take() gives nothing).
class SharedArea {
 public:
  // Messages that wait for their release.
  static constexpr uint32_t kWaitingMax = 32;
  static constexpr size_t kAlignment = 64;

  // REQUIRES: message_bytes > 0; it is rounded up to kAlignment.
  // Errors: kUnavailable  the system has no such memory, or none left
  static absl::StatusOr<SharedArea> Create(size_t message_bytes);

  // Where a process of the same user finds it while this one lives.
  std::string path() const;
  const AreaNonce& nonce() const { return mapping_.control().nonce; }
  size_t size() const { return mapping_.messages().size(); }
  bool attached() const {
    return mapping_.control().attached.load(std::memory_order_acquire) == 1;
  }

  struct Place {
    size_t offset = 0;
    std::span<std::byte> bytes;  // empty: no room now
  };
  // Room for a message, this end's to write to until the other end is told.
  // REQUIRES: bytes > 0.
  Place Take(size_t bytes);
  // The message of the last Take(), which gave room, was not sent. Once.
  void GiveBack();

 private:
  SharedArea(UniqueFd fd, AreaMapping mapping)
      : fd_(std::move(fd)), mapping_(std::move(mapping)) {}

  void TakeReleased();

  struct Extent {
    size_t begin = 0;
    size_t end = 0;
  };

  UniqueFd fd_;
  AreaMapping mapping_;
  // The oldest first, round and round.
  std::array<Extent, kWaitingMax> waiting_;
  uint32_t oldest_ = 0;
  uint32_t waiting_count_ = 0;
  uint32_t released_ = 0;  // as last seen
  bool broken_ = false;
};

// The end that reads.
// Threads: thread-compatible.
class AttachedArea {
 public:
  // `path`: of SharedArea::path(); nothing else is opened.
  // Errors: kUnavailable  it cannot be reached from here, is another one, or
  //         could be cut short by the other end
  static absl::StatusOr<AttachedArea> Attach(const std::string& path,
                                             const AreaNonce& nonce,
                                             size_t message_bytes);

  // A message; empty: there is no such place.
  std::span<std::byte> At(uint64_t offset, uint64_t bytes) const;
  // The bytes of the oldest message that was not released yet are the sender's
  // again. REQUIRES: there is one.
  void Release();

 private:
  explicit AttachedArea(AreaMapping mapping) : mapping_(std::move(mapping)) {}

  AreaMapping mapping_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_SHARED_AREA_H_
