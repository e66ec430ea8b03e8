// A link of which a test sees and may change every message.

#ifndef SHOAL_TESTS_TRANSPORT_QUEUE_LINK_H_
#define SHOAL_TESTS_TRANSPORT_QUEUE_LINK_H_

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/link.h"

namespace shoal::transport {

// What is sent lies in a queue, where a test may change it.
class QueueLink final : public Link {
 public:
  using Message = std::vector<std::byte>;

  QueueLink(std::deque<Message>& in, std::deque<Message>& out)
      : in_(in), out_(out) {}

  const std::string& endpoint() const override { return endpoint_; }
  absl::Status Send(std::span<const std::byte> head,
                    std::span<const std::byte> tail, absl::Time) override {
    if (is_full) return absl::DeadlineExceededError("");
    Message message(head.begin(), head.end());
    message.insert(message.end(), tail.begin(), tail.end());
    out_.push_back(std::move(message));
    return absl::OkStatus();
  }
  absl::StatusOr<std::span<std::byte>> Receive(absl::Time) override {
    if (in_.empty()) return absl::DeadlineExceededError("");
    received_ = std::move(in_.front());
    in_.pop_front();
    return std::span(received_);
  }
  void KeepPeer() override {}
  void set_polling_time(absl::Duration) override {}

  std::span<const std::byte> received() const { return received_; }

  bool is_full = false;

 private:
  std::deque<Message>& in_;
  std::deque<Message>& out_;
  Message received_;
  const std::string endpoint_ = "tcp://127.0.0.1:1";
};

}  // namespace shoal::transport

#endif  // SHOAL_TESTS_TRANSPORT_QUEUE_LINK_H_
