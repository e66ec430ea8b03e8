#include "transport/sealed_link.h"

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

namespace shoal::transport {
namespace {

using ::testing::HasSubstr;
using Message = QueueLink::Message;

constexpr absl::Time kNever = absl::InfiniteFuture();
constexpr security::SecretKey kSecret = {9, 9};

std::vector<std::byte> BytesOf(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class SealedLinkTest : public ::testing::Test {
 protected:
  std::unique_ptr<SealedLink> Make(bool listening,
                                   const security::SecretKey& secret) {
    LinkOptions options;
    options.network.payload_bytes_max = 1000;
    auto inner = std::make_unique<QueueLink>(listening ? up_ : down_,
                                             listening ? down_ : up_);
    if (!listening) dialled_inner_ = inner.get();
    return std::make_unique<SealedLink>(options, secret, listening,
                                        std::move(inner));
  }

  static absl::Status Send(SealedLink& link, const std::string& text) {
    return link.Send(BytesOf(text.substr(0, 2)), BytesOf(text.substr(2)),
                     kNever);
  }
  static std::string TextFrom(SealedLink& link) {
    const auto message = link.Receive(kNever);
    if (!message.ok()) return std::string(message.status().message());
    return {reinterpret_cast<const char*>(message->data()), message->size()};
  }
  static absl::StatusCode CodeFrom(SealedLink& link) {
    return link.Receive(kNever).status().code();
  }
  // One hello each way, after which both ends have their peer.
  void Greet() {
    ASSERT_TRUE(Send(*dialled_, "hello").ok());
    ASSERT_EQ(TextFrom(*listening_), "hello");
    listening_->KeepPeer();
    ASSERT_TRUE(Send(*listening_, "welcome").ok());
    ASSERT_EQ(TextFrom(*dialled_), "welcome");
  }

  std::deque<Message> up_;    // from the dialled end
  std::deque<Message> down_;  // from the listening end
  QueueLink* dialled_inner_ = nullptr;
  std::unique_ptr<SealedLink> dialled_ = Make(false, kSecret);
  std::unique_ptr<SealedLink> listening_ = Make(true, kSecret);
};

TEST_F(SealedLinkTest, MessagesComeThroughAndCannotBeReadOnTheWay) {
  Greet();
  for (const std::string text : {"first message", "second message"}) {
    ASSERT_TRUE(Send(*dialled_, text).ok());
    const std::string wire(reinterpret_cast<const char*>(up_.back().data()),
                           up_.back().size());
    EXPECT_EQ(wire.size(), text.size() + kSealedExtraBytes);
    EXPECT_EQ(wire.find("message"), std::string::npos);
    EXPECT_EQ(TextFrom(*listening_), text);
    ASSERT_TRUE(Send(*listening_, text).ok());
    EXPECT_EQ(TextFrom(*dialled_), text);
  }
}

TEST_F(SealedLinkTest, AChangedByteAnywhereIsDataLoss) {
  // All of a small message, header and tag included.
  for (size_t at = 0; at < 4 + kSealedExtraBytes; ++at) {
    up_.clear();
    down_.clear();
    dialled_ = Make(false, kSecret);
    listening_ = Make(true, kSecret);
    Greet();
    ASSERT_TRUE(Send(*dialled_, "text").ok());
    up_.back()[at] ^= std::byte{1};
    EXPECT_EQ(CodeFrom(*listening_), absl::StatusCode::kDataLoss) << at;
  }
}

TEST_F(SealedLinkTest, AMessageThatIsRepeatedLeftOutOrSwappedIsNoticed) {
  Greet();
  ASSERT_TRUE(Send(*dialled_, "one").ok());
  up_.push_back(up_.back());
  EXPECT_EQ(TextFrom(*listening_), "one");
  EXPECT_THAT(TextFrom(*listening_), HasSubstr("got number 1, wanted 2"));
  ASSERT_TRUE(Send(*dialled_, "two").ok());
  ASSERT_TRUE(Send(*dialled_, "three").ok());
  std::swap(up_[0], up_[1]);
  EXPECT_THAT(TextFrom(*listening_), HasSubstr("got number 3, wanted 2"));
}

TEST_F(SealedLinkTest, OnesOwnMessagesAreNotTakenForThePeers) {
  Greet();
  ASSERT_TRUE(Send(*dialled_, "mine").ok());
  down_.push_back(up_.back());
  EXPECT_EQ(CodeFrom(*dialled_), absl::StatusCode::kDataLoss);
}

TEST_F(SealedLinkTest, WhoHasAnotherSecretIsToldSoAndThePeerMayStillCome) {
  const auto stranger = Make(false, {1});
  ASSERT_TRUE(Send(*stranger, "hello").ok());
  const auto refused = listening_->Receive(kNever);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  ASSERT_TRUE(Send(*listening_, "go away").ok());
  EXPECT_EQ(down_.back(), BytesOf("go away"));  // it could not read it else
  EXPECT_EQ(CodeFrom(*stranger), absl::StatusCode::kPermissionDenied);
  // Neither who does not seal at all.
  up_.push_back(BytesOf("hello in clear"));
  EXPECT_EQ(CodeFrom(*listening_), absl::StatusCode::kPermissionDenied);
  down_.clear();
  Greet();
}

TEST_F(SealedLinkTest, AMessageThatWasNotSentLeavesNoGap) {
  Greet();
  dialled_inner_->is_full = true;
  EXPECT_EQ(Send(*dialled_, "one").code(), absl::StatusCode::kDeadlineExceeded);
  dialled_inner_->is_full = false;
  ASSERT_TRUE(Send(*dialled_, "two").ok());
  EXPECT_EQ(TextFrom(*listening_), "two");
}

TEST_F(SealedLinkTest, LinksWithOneSecretHaveOtherKeys) {
  ASSERT_TRUE(Send(*dialled_, "hello").ok());
  const auto second = Make(false, kSecret);
  ASSERT_TRUE(Send(*second, "hello").ok());
  const size_t body = kFrameHeaderBytes;
  EXPECT_FALSE(
      std::equal(up_[0].begin() + body, up_[0].end(), up_[1].begin() + body));
}

// The peer without instructions for AES wants the other cipher.
TEST_F(SealedLinkTest, TheSlowerProcessorChoosesTheCipher) {
  Greet();
  SealedHeader header;
  header.salt = {5};
  header.suite = security::CipherSuite::kChaCha20Poly1305;
  const auto listener = Make(true, kSecret);
  security::FrameCipher cipher(
      header.suite,
      security::DeriveKey(kSecret, header.salt,
                          "shoal data link, dialler, suite 2"),
      security::FrameCipher::Direction::kSeal);
  Message message(4 + kSealedExtraBytes);
  const auto clear = std::span(message).first<kFrameHeaderBytes>();
  EncodeSealedHeader(header, 4, clear);
  cipher.Seal(0, clear, BytesOf("text"), {},
              std::span(message).subspan(kFrameHeaderBytes));
  up_.push_back(message);
  EXPECT_EQ(TextFrom(*listener), "text");
  listener->KeepPeer();
  ASSERT_TRUE(Send(*listener, "answer").ok());
  const auto answer = DecodeSealedHeader(down_.back());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->suite, header.suite);
  EXPECT_EQ(TextFrom(*Make(false, kSecret)), "answer");
}

}  // namespace
}  // namespace shoal::transport
