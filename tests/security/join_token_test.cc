#include "security/join_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::security {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Fingerprint SomeFingerprint() {
  Fingerprint fingerprint = {};
  for (size_t i = 0; i < fingerprint.size(); ++i) {
    fingerprint[i] = static_cast<uint8_t>(7 * i + 1);
  }
  return fingerprint;
}

std::string ErrorOf(absl::string_view text) {
  const auto token = JoinToken::Parse(text);
  EXPECT_EQ(token.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(token.status().message());
}

TEST(JoinTokenTest, TextAndBackIsTheSameToken) {
  const JoinToken token = JoinToken::Make(SomeFingerprint());
  const std::string text = token.ToText();
  EXPECT_EQ(text.size(), 7 + JoinToken::kTextLetters);
  const auto parsed = JoinToken::Parse(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, token);
  EXPECT_EQ(
      *JoinToken::Parse(absl::StrCat(" ", absl::AsciiStrToUpper(text), "\n")),
      token);
}

TEST(JoinTokenTest, TwoTokensOfOneAuthorityHaveOtherSecrets) {
  const JoinToken a = JoinToken::Make(SomeFingerprint());
  const JoinToken b = JoinToken::Make(SomeFingerprint());
  EXPECT_NE(a.secret(), b.secret());
  EXPECT_FALSE(a.HasSecret(std::string(b.secret().begin(), b.secret().end())));
  std::string own(a.secret().begin(), a.secret().end());
  EXPECT_TRUE(a.HasSecret(own));
  own.back() = static_cast<char>(own.back() ^ 1);
  EXPECT_FALSE(a.HasSecret(own));
  EXPECT_FALSE(a.HasSecret(""));
}

TEST(JoinTokenTest, IsForItsAuthorityAlone) {
  Fingerprint fingerprint = SomeFingerprint();
  const JoinToken token = JoinToken::Make(fingerprint);
  EXPECT_TRUE(token.IsFor(fingerprint));
  fingerprint[15] ^= 1;
  EXPECT_FALSE(token.IsFor(fingerprint));
}

TEST(JoinTokenTest, ACutTokenIsCalledSoWhereverItIsCut) {
  const std::string text = JoinToken::Make(SomeFingerprint()).ToText();
  for (size_t size = 1; size < text.size(); ++size) {
    EXPECT_THAT(ErrorOf(text.substr(0, size)), HasSubstr("cut off")) << size;
  }
  EXPECT_THAT(ErrorOf(text + "a"), HasSubstr("too long"));
}

TEST(JoinTokenTest, AnyWrongLetterIsNoticed) {
  const std::string text = JoinToken::Make(SomeFingerprint()).ToText();
  for (size_t i = 7; i < text.size(); ++i) {
    std::string wrong = text;
    wrong[i] = wrong[i] == 'a' ? 'b' : 'a';
    EXPECT_THAT(ErrorOf(wrong), HasSubstr("mistyped")) << i;
  }
  std::string swapped = text;
  size_t at = 7;
  while (swapped[at] == swapped[at + 1]) ++at;
  std::swap(swapped[at], swapped[at + 1]);
  EXPECT_THAT(ErrorOf(swapped), HasSubstr("mistyped"));
  std::string foreign = text;
  foreign[9] = '1';
  EXPECT_THAT(ErrorOf(foreign), HasSubstr("10. of its text"));
}

TEST(JoinTokenTest, OtherTextIsNoToken) {
  for (const char* text :
       {"", " ", "hello", "shoal2-aaaa", "0123456789abcdef0123456789abcdef"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("not a Shoal token"));
  }
}

TEST(JoinTokenTest, ErrorsDoNotRepeatIt) {
  std::string text = JoinToken::Make(SomeFingerprint()).ToText();
  const std::string part = text.substr(20, 8);
  EXPECT_THAT(ErrorOf(text + "a"), Not(HasSubstr(part)));
  text[10] = text[10] == 'a' ? 'b' : 'a';
  EXPECT_THAT(ErrorOf(text), Not(HasSubstr(part)));
  const auto target = JoinTarget::Parse("host:1#" + text);
  EXPECT_THAT(std::string(target.status().message()), Not(HasSubstr(part)));
}

TEST(JoinTokenTest, ATargetIsAnAddressWithOrWithoutAToken) {
  const JoinToken token = JoinToken::Make(SomeFingerprint());
  const auto with = JoinTarget::Parse("[::1]:7070#" + token.ToText());
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_EQ(with->address, "[::1]:7070");
  EXPECT_EQ(with->token, token);
  const auto without = JoinTarget::Parse("pi:7070");
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ(without->address, "pi:7070");
  EXPECT_FALSE(without->token.has_value());
  for (const std::string& text : {std::string(), std::string("pi"),
                                  "#" + token.ToText(), token.ToText()}) {
    const absl::Status status = JoinTarget::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("HOST:PORT#TOKEN"));
  }
  EXPECT_THAT(
      std::string(JoinTarget::Parse("pi:7070#shoal1-abc").status().message()),
      HasSubstr("cut off"));
}

TEST(JoinTokenTest, AFileOfItMustBeOnesOwn) {
  const testing::TemporaryFolder folder;
  const JoinToken token = JoinToken::Make(SomeFingerprint());
  const std::string path = folder.File("token");
  std::ofstream(path) << token.ToText() << "\nmore\n";
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  const absl::Status open = JoinToken::ReadFile(path).status();
  EXPECT_EQ(open.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(open.message()),
              AllOf(HasSubstr("640"), HasSubstr("chmod 600 " + path)));
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  const auto read = JoinToken::ReadFile(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, token);
}

}  // namespace
}  // namespace shoal::security
