// A link whose large messages go through memory that both processes share.

#ifndef SHOAL_TRANSPORT_SHARED_LINK_H_
#define SHOAL_TRANSPORT_SHARED_LINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/link.h"
#include "transport/shared_area.h"

namespace shoal::transport {

// For two processes of one user on one machine. Everything that orders, wakes
// or fails is the link's below: a large message is written into an area
// (TakeRoom()) and a small one, which says where, goes over that link. Before
// its first large message an end offers its area, once; until the peer has
// attached it, and whenever there is no room in it, TakeRoom() gives none. So
// nothing waits for the area, and a peer that cannot attach it is served as
// well. Who is no peer yet can offer nothing.
//
// Cost:     a copy of each large message, where a socket takes two, checksums
//           and the kernel's work.
// Memory:   NetworkOptions::shared_bytes for each direction that has seen a
//           large message.
// Threads:  as of Link.
// Failure:  beside those of Link, Receive() gives kInvalidArgument for a note
//           of a place that is not in the area. Where there is no shared memory
//           the log says so, once for a link and direction.
class SharedLink final : public Link {
 public:
  // Shorter messages are as fast over the link.
  static constexpr size_t kBytesMin = size_t{1} << 16;

  // REQUIRES: options.network.shared_bytes > 0.
  SharedLink(const LinkOptions& options, bool listening,
             std::unique_ptr<Link> inner);

  const std::string& endpoint() const override { return inner_->endpoint(); }
  absl::Status Send(std::span<const std::byte> head,
                    std::span<const std::byte> tail,
                    absl::Time deadline) override {
    return inner_->Send(head, tail, deadline);
  }
  absl::StatusOr<std::span<std::byte>> Receive(absl::Time deadline) override;
  absl::StatusOr<std::span<std::byte>> TakeRoom(size_t bytes,
                                                absl::Time deadline) override;
  absl::Status SendRoom(absl::Time deadline) override;
  bool received_in_memory() const override { return in_use_; }
  void KeepPeer() override {
    inner_->KeepPeer();
    has_peer_ = true;
  }
  void set_polling_time(absl::Duration time) override {
    inner_->set_polling_time(time);
  }

 private:
  // Makes the area and offers it, once.
  absl::Status Offer(absl::Time deadline);
  // The first offer of the peer; later ones are ignored.
  void Accept(std::span<const std::byte> offer);
  absl::Status Attach(std::span<const std::byte> payload);
  // The message that a note stands for; empty: there is none.
  std::span<std::byte> MessageOf(std::span<const std::byte> note) const;

  const size_t area_bytes_;
  const bool listening_;
  const std::unique_ptr<Link> inner_;
  bool has_peer_ = false;
  std::optional<SharedArea> out_;
  SharedArea::Place room_;  // of the last TakeRoom()
  bool offered_ = false;    // or it turned out that there is none
  std::optional<AttachedArea> in_;
  bool was_offered_ = false;
  bool in_use_ = false;  // the last message received is in in_
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_SHARED_LINK_H_
