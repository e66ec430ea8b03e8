#include "transport/shared_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/transport/queue_link.h"
#include "transport/frame.h"
#include "transport/little_endian.h"

namespace shoal::transport {
namespace {

using ::testing::HasSubstr;
using Message = QueueLink::Message;

constexpr absl::Time kNever = absl::InfiniteFuture();
constexpr size_t kLarge = SharedLink::kBytesMin;

class SharedLinkTest : public ::testing::Test {
 protected:
  std::unique_ptr<SharedLink> Make(bool listening, std::deque<Message>& in,
                                   std::deque<Message>& out,
                                   QueueLink*& inner) {
    LinkOptions options;
    options.network.shared_bytes = 3 * (kLarge + 1000);
    auto queue = std::make_unique<QueueLink>(in, out);
    inner = queue.get();
    return std::make_unique<SharedLink>(options, listening, std::move(queue));
  }
  // After the hellos, which a test may leave out.
  void SetUp() override {
    wire_.push_back(MessageOf(100, 'h'));
    ASSERT_TRUE(receiver_->Receive(kNever).ok());
    receiver_->KeepPeer();
    back_.push_back(MessageOf(100, 'h'));
    ASSERT_TRUE(sender_->Receive(kNever).ok());
  }

  static Message MessageOf(size_t bytes, char fill) {
    return Message(bytes, static_cast<std::byte>(fill));
  }
  // `message` with a payload that was changed.
  static Message Checked(Message message, uint16_t type) {
    FrameHeader header;
    header.type = static_cast<FrameType>(type);
    EncodeFrameHeader(header, std::span(message).subspan(kFrameHeaderBytes),
                      std::span(message).first<kFrameHeaderBytes>());
    return message;
  }
  absl::Status Send(size_t bytes, char fill) {
    const Message message = MessageOf(bytes, fill);
    const auto room = sender_->TakeRoom(bytes, kNever);
    if (!room.ok()) return room.status();
    if (!room->empty()) {
      std::copy(message.begin(), message.end(), room->begin());
      return sender_->SendRoom(kNever);
    }
    return sender_->Send(std::span(message).first(kFrameHeaderBytes),
                         std::span(message).subspan(kFrameHeaderBytes), kNever);
  }
  void ExpectMessage(size_t bytes, char fill) {
    const auto message = receiver_->Receive(kNever);
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(message->data()) % 8, 0u);
    EXPECT_EQ(Message(message->begin(), message->end()),
              MessageOf(bytes, fill));
    EXPECT_EQ(receiver_->received_in_memory(),
              message->data() != receiver_inner_->received().data());
  }
  // The offer and one large message that goes as it is.
  void Offer() {
    ASSERT_TRUE(Send(kLarge, 'o').ok());
    ASSERT_EQ(wire_.size(), 2u);
    ExpectMessage(kLarge, 'o');
  }
  size_t WireBytes() const {
    size_t bytes = 0;
    for (const Message& message : wire_) bytes += message.size();
    return bytes;
  }

  std::deque<Message> wire_;
  std::deque<Message> back_;
  QueueLink* inner_ = nullptr;
  QueueLink* receiver_inner_ = nullptr;
  std::unique_ptr<SharedLink> sender_ = Make(false, back_, wire_, inner_);
  std::unique_ptr<SharedLink> receiver_ =
      Make(true, wire_, back_, receiver_inner_);
};

TEST_F(SharedLinkTest, LargeMessagesLeaveANoteOnTheWire) {
  Offer();
  for (const char fill : {'a', 'b', 'c', 'd', 'e', 'f'}) {
    ASSERT_TRUE(Send(kLarge + fill, fill).ok());
    EXPECT_LT(WireBytes(), 100u);
    ExpectMessage(kLarge + fill, fill);
  }
}

TEST_F(SharedLinkTest, SmallMessagesGoAsTheyAre) {
  ASSERT_TRUE(Send(kLarge - 1, 's').ok());
  EXPECT_EQ(wire_.size(), 1u);
  EXPECT_EQ(WireBytes(), kLarge - 1);
  ExpectMessage(kLarge - 1, 's');
}

TEST_F(SharedLinkTest, WhereThereIsNoRoomTheyGoAsTheyAreAndInOrder) {
  Offer();
  std::string fills;
  for (char fill = 'a'; fill <= 'j'; ++fill) {
    ASSERT_TRUE(Send(kLarge, fill).ok());
    fills += fill;
  }
  EXPECT_GT(WireBytes(), 7 * kLarge);
  EXPECT_LT(WireBytes(), 8 * kLarge);
  for (const char fill : fills) ExpectMessage(kLarge, fill);
  // All but the last are released now, so that there is room again.
  ASSERT_TRUE(Send(kLarge, 'z').ok());
  EXPECT_LT(WireBytes(), 100u);
  ExpectMessage(kLarge, 'z');
}

TEST_F(SharedLinkTest, APeerThatCannotAttachGetsMessagesAsTheyAre) {
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  ASSERT_EQ(wire_.size(), 2u);
  Message& offer = wire_.front();
  offer.back() = std::byte{'x'};  // the path leads nowhere
  offer = Checked(offer, kShareOfferType);
  ExpectMessage(kLarge, 'a');
  for (const char fill : {'b', 'c'}) {
    ASSERT_TRUE(Send(kLarge, fill).ok());
    EXPECT_EQ(WireBytes(), kLarge);
    ExpectMessage(kLarge, fill);
  }
}

TEST_F(SharedLinkTest, MalformedOffersAreNoOffersAndThereIsOnlyOne) {
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  const Message offer = wire_.front();
  std::vector<Message> wrong = {offer, offer, offer, offer};
  wrong[0].resize(kFrameHeaderBytes);                    // nothing in it
  wrong[1].resize(offer.size() + 1000, std::byte{'/'});  // a long path
  Put(std::span(wrong[2]), kFrameHeaderBytes + 16, uint64_t{1} << 60);
  wrong[3][kFrameHeaderBytes] ^= std::byte{1};  // the nonce
  for (const Message& message : wrong) {
    receiver_ = Make(true, wire_, back_, receiver_inner_);
    receiver_->KeepPeer();
    wire_ = {Checked(message, kShareOfferType), offer, MessageOf(kLarge, 'a')};
    ExpectMessage(kLarge, 'a');
    ASSERT_TRUE(Send(kLarge, 'b').ok());
    EXPECT_EQ(WireBytes(), kLarge);
    ExpectMessage(kLarge, 'b');
  }
}

TEST_F(SharedLinkTest, ANoteOfNoPlaceInTheAreaIsInvalid) {
  Offer();
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  const Message note = wire_.front();
  wire_.clear();
  std::vector<Message> wrong = {note, note, note, note};
  Put(std::span(wrong[0]), kFrameHeaderBytes, uint64_t{1} << 40);
  Put(std::span(wrong[1]), kFrameHeaderBytes + 8, UINT64_MAX);
  Put(std::span(wrong[2]), kFrameHeaderBytes + 8, uint64_t{63});
  wrong[3].resize(kFrameHeaderBytes + 8);
  for (const Message& message : wrong) {
    wire_.push_back(Checked(message, kSharedFrameType));
    const auto received = receiver_->Receive(kNever);
    EXPECT_TRUE(absl::IsInvalidArgument(received.status()))
        << received.status();
    EXPECT_THAT(std::string(received.status().message()),
                HasSubstr("shared memory"));
  }
}

TEST_F(SharedLinkTest, DamagedNotesAndOffersAreForTheCallerToRefuse) {
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  const Message offer = wire_.front();
  ExpectMessage(kLarge, 'a');
  ASSERT_TRUE(Send(kLarge, 'b').ok());
  const Message note = wire_.front();
  wire_.clear();
  for (Message message : {offer, note}) {
    message.back() ^= std::byte{1};
    wire_.push_back(message);
    const auto received = receiver_->Receive(kNever);
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(Message(received->begin(), received->end()), message);
    EXPECT_TRUE(absl::IsDataLoss(DecodeFrame(*received, 1000).status()));
  }
}

TEST_F(SharedLinkTest, BeforeTheHelloNotesAndOffersMeanNothing) {
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  const Message offer = wire_.front();
  ExpectMessage(kLarge, 'a');
  ASSERT_TRUE(Send(kLarge, 'b').ok());
  const Message note = wire_.front();
  for (const bool listening : {true, false}) {
    for (const Message& message : {offer, note}) {
      receiver_ = Make(listening, wire_, back_, receiver_inner_);
      wire_ = {message};
      const auto received = receiver_->Receive(kNever);
      ASSERT_TRUE(received.ok()) << received.status();
      EXPECT_EQ(Message(received->begin(), received->end()), message);
      const auto room = receiver_->TakeRoom(kLarge, kNever);
      ASSERT_TRUE(room.ok()) << room.status();
      EXPECT_TRUE(room->empty());
    }
  }
}

TEST_F(SharedLinkTest, ANoteWithoutAnOfferIsInvalid) {
  Offer();
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  receiver_ = Make(true, wire_, back_, receiver_inner_);
  receiver_->KeepPeer();
  EXPECT_TRUE(absl::IsInvalidArgument(receiver_->Receive(kNever).status()));
}

TEST_F(SharedLinkTest, WhatWasNotSentTakesNoRoom) {
  inner_->is_full = true;
  EXPECT_TRUE(absl::IsDeadlineExceeded(Send(kLarge, 'a')));  // the offer
  inner_->is_full = false;
  Offer();
  inner_->is_full = true;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(Send(kLarge, 'a')));
  }
  inner_->is_full = false;
  ASSERT_TRUE(Send(kLarge, 'b').ok());
  EXPECT_LT(WireBytes(), 100u);
  ExpectMessage(kLarge, 'b');
}

}  // namespace
}  // namespace shoal::transport
