#include "transport/shared_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  std::unique_ptr<SharedLink> Make(std::deque<Message>& in,
                                   std::deque<Message>& out,
                                   QueueLink*& inner) {
    LinkOptions options;
    options.network.shared_bytes = 3 * (kLarge + 1000);
    auto queue = std::make_unique<QueueLink>(in, out);
    inner = queue.get();
    return std::make_unique<SharedLink>(options, std::move(queue));
  }

  // As a frame: the type lies in the header.
  static Message MessageOf(size_t bytes, char fill) {
    Message message(bytes, static_cast<std::byte>(fill));
    Put(std::span(message), 6, static_cast<uint16_t>(FrameType::kPartial));
    return message;
  }
  absl::Status Send(size_t bytes, char fill) {
    const Message message = MessageOf(bytes, fill);
    return sender_->Send(std::span(message).first(kFrameHeaderBytes),
                         std::span(message).subspan(kFrameHeaderBytes), kNever);
  }
  void ExpectMessage(size_t bytes, char fill) {
    const auto message = receiver_->Receive(kNever);
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(message->data()) % 8, 0u);
    EXPECT_EQ(Message(message->begin(), message->end()),
              MessageOf(bytes, fill));
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
  std::unique_ptr<SharedLink> sender_ = Make(back_, wire_, inner_);
  std::unique_ptr<SharedLink> receiver_ = Make(wire_, back_, receiver_inner_);
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
  ExpectMessage(kLarge, 'a');
  for (const char fill : {'b', 'c'}) {
    ASSERT_TRUE(Send(kLarge, fill).ok());
    EXPECT_EQ(WireBytes(), kLarge);
    ExpectMessage(kLarge, fill);
  }
}

TEST_F(SharedLinkTest, MalformedOffersAreNoOffers) {
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  const Message offer = wire_.front();
  wire_.pop_front();
  std::vector<Message> wrong = {offer, offer, offer, offer};
  wrong[0].resize(kFrameHeaderBytes);                    // nothing in it
  wrong[1].resize(offer.size() + 1000, std::byte{'/'});  // a long path
  Put(std::span(wrong[2]), kFrameHeaderBytes + 16, uint64_t{1} << 60);
  wrong[3][kFrameHeaderBytes] ^= std::byte{1};  // the nonce
  for (auto message = wrong.rbegin(); message != wrong.rend(); ++message) {
    wire_.push_front(*message);
  }
  ExpectMessage(kLarge, 'a');
  ASSERT_TRUE(Send(kLarge, 'b').ok());
  EXPECT_EQ(WireBytes(), kLarge);
  ExpectMessage(kLarge, 'b');
}

TEST_F(SharedLinkTest, ANoteOfNoPlaceInTheAreaIsDataLoss) {
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
    wire_.push_back(message);
    const auto received = receiver_->Receive(kNever);
    EXPECT_TRUE(absl::IsDataLoss(received.status())) << received.status();
    EXPECT_THAT(std::string(received.status().message()),
                HasSubstr("shared memory"));
  }
}

TEST_F(SharedLinkTest, ANoteWithoutAnOfferIsDataLoss) {
  Offer();
  ASSERT_TRUE(Send(kLarge, 'a').ok());
  receiver_ = Make(wire_, back_, receiver_inner_);
  EXPECT_TRUE(absl::IsDataLoss(receiver_->Receive(kNever).status()));
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
