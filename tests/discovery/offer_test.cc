#include "discovery/offer.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::discovery {
namespace {

Nonce ANonce() {
  Nonce nonce;
  for (size_t i = 0; i < nonce.size(); ++i) {
    nonce[i] = static_cast<uint8_t>(200 + i);
  }
  return nonce;
}

Offer AnOffer() {
  Offer offer;
  offer.name = "home";
  offer.port = 7071;
  offer.protocol = 0x01020304;
  offer.program = "0.1.0";
  offer.authority.emplace();
  for (size_t i = 0; i < offer.authority->size(); ++i) {
    (*offer.authority)[i] = static_cast<uint8_t>(i + 1);
  }
  return offer;
}

std::vector<std::byte> AnAnswer() {
  return EncodeAnswer({ANonce(), AnOffer()});
}

TEST(OfferTest, AQuestionComesBack) {
  const auto question = EncodeQuestion(ANonce());
  EXPECT_EQ(question.size(), kQuestionBytes);
  EXPECT_EQ(ParseQuestion(question), ANonce());
}

TEST(OfferTest, AnAnswerComesBack) {
  const auto answer = ParseAnswer(AnAnswer());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->nonce, ANonce());
  EXPECT_EQ(answer->offer, AnOffer());

  Offer bare = AnOffer();
  bare.authority.reset();
  bare.program.clear();
  const auto second = ParseAnswer(EncodeAnswer({ANonce(), bare}));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->offer, bare);
}

TEST(OfferTest, TheLongestAnswerIsNoLongerThanAQuestion) {
  Offer offer = AnOffer();
  offer.name.assign(kNameBytesMax, 'n');
  offer.program.assign(kVersionBytesMax, 'v');
  const auto answer = EncodeAnswer({ANonce(), offer});
  EXPECT_LE(answer.size(), kQuestionBytes);
  EXPECT_TRUE(ParseAnswer(answer));
}

TEST(OfferTest, WhatIsCutOrLongerIsNone) {
  auto question = EncodeQuestion(ANonce());
  auto answer = AnAnswer();
  for (size_t size = 0; size < question.size(); ++size) {
    EXPECT_FALSE(ParseQuestion(std::span(question).first(size))) << size;
  }
  for (size_t size = 0; size < answer.size(); ++size) {
    EXPECT_FALSE(ParseAnswer(std::span(answer).first(size))) << size;
  }
  question.push_back({});
  answer.push_back({});
  EXPECT_FALSE(ParseQuestion(question));
  EXPECT_FALSE(ParseAnswer(answer));
}

TEST(OfferTest, OneIsNotTakenForTheOther) {
  EXPECT_FALSE(ParseAnswer(EncodeQuestion(ANonce())));
  auto answer = AnAnswer();
  answer.resize(kQuestionBytes);
  EXPECT_FALSE(ParseQuestion(answer));
}

TEST(OfferTest, AnotherFormatOrAFilledQuestionIsNone) {
  // The magic letters, and the number of the format.
  for (size_t at = 0; at < 10; ++at) {
    auto question = EncodeQuestion(ANonce());
    auto answer = AnAnswer();
    question[at] ^= std::byte{0x40};
    answer[at] ^= std::byte{0x40};
    EXPECT_FALSE(ParseQuestion(question)) << at;
    EXPECT_FALSE(ParseAnswer(answer)) << at;
  }
  auto filled = EncodeQuestion(ANonce());
  filled.back() = std::byte{1};
  EXPECT_FALSE(ParseQuestion(filled));
}

// Offsets as docs/wire-format.md has them.
TEST(OfferTest, FieldsOutOfTheirRangeAreNone) {
  const auto with = [](size_t at, uint8_t value) {
    auto answer = AnAnswer();
    answer[at] = std::byte{value};
    return ParseAnswer(answer);
  };
  EXPECT_TRUE(with(26, 1));
  EXPECT_FALSE(with(32, 2)) << "whether there is an authority";
  EXPECT_FALSE(with(32, 0)) << "none, but it is there";
  EXPECT_FALSE(with(65, 0)) << "length of the name";
  EXPECT_FALSE(with(65, 255)) << "length of the name";
  EXPECT_FALSE(with(70, 6)) << "length of the version";
  EXPECT_FALSE(with(66, '\x1b')) << "a letter of the name";
  EXPECT_FALSE(with(66, 0x80)) << "a letter of the name";
  EXPECT_FALSE(with(71, '\n')) << "a letter of the version";
  auto no_port = AnAnswer();
  no_port[26] = no_port[27] = std::byte{};
  EXPECT_FALSE(ParseAnswer(no_port));
}

TEST(OfferTest, ATextForATerminalIsPlainAndShort) {
  EXPECT_EQ(PlainText("home", 10), "home");
  EXPECT_EQ(PlainText("\x1b[2Jk\xc3\xbc", 10), "?[2Jk??");
  EXPECT_EQ(PlainText("a long name", 6), "a long");
}

}  // namespace
}  // namespace shoal::discovery
