// Gives any bytes to a link between processes of one machine as the payload of
// an offer of memory, and as that of a note behind a good offer.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "tests/transport/queue_link.h"
#include "transport/frame.h"
#include "transport/shared_link.h"

namespace {

using shoal::transport::EncodeFrameHeader;
using shoal::transport::FrameHeader;
using shoal::transport::FrameType;
using shoal::transport::kFrameHeaderBytes;
using shoal::transport::kSharedFrameType;
using shoal::transport::kShareOfferType;
using shoal::transport::LinkOptions;
using shoal::transport::QueueLink;
using shoal::transport::SharedLink;
using Message = QueueLink::Message;

constexpr absl::Time kNever = absl::InfiniteFuture();

Message FrameOf(uint16_t type, std::span<const std::byte> payload) {
  Message message(kFrameHeaderBytes);
  FrameHeader header;
  header.type = static_cast<FrameType>(type);
  EncodeFrameHeader(header, payload,
                    std::span(message).first<kFrameHeaderBytes>());
  message.insert(message.end(), payload.begin(), payload.end());
  return message;
}

// Two ends, each with its peer.
struct Pair {
  std::deque<Message> there, back;
  SharedLink sender = Make(false, back, there);
  SharedLink receiver = Make(true, there, back);

  Pair() {
    back.emplace_back(kFrameHeaderBytes);
    SHOAL_CHECK(sender.Receive(kNever).ok());
    receiver.KeepPeer();
  }
  static SharedLink Make(bool listening, std::deque<Message>& in,
                         std::deque<Message>& out) {
    LinkOptions options;
    options.network.shared_bytes = 2 * SharedLink::kBytesMin;
    return {options, listening, std::make_unique<QueueLink>(in, out)};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  {
    Pair pair;
    pair.there.push_back(FrameOf(kShareOfferType, bytes));
    SHOAL_CHECK(!pair.receiver.Receive(kNever).ok());  // none is left
  }
  Pair pair;
  SHOAL_CHECK(pair.sender.TakeRoom(SharedLink::kBytesMin, kNever)->empty());
  SHOAL_CHECK(!pair.receiver.Receive(kNever).ok());
  SHOAL_CHECK(!pair.sender.TakeRoom(SharedLink::kBytesMin, kNever)->empty());
  pair.there.push_back(FrameOf(kSharedFrameType, bytes));
  const auto frame = pair.receiver.Receive(kNever);
  if (!frame.ok()) return 0;
  SHOAL_CHECK(frame->size() >= kFrameHeaderBytes);
  uint8_t sum = 0;  // all of it can be read
  for (const std::byte byte : *frame) sum += static_cast<uint8_t>(byte);
  SHOAL_CHECK(sum == 0);  // as the area was
  return 0;
}
