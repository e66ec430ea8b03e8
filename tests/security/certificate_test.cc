#include "security/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "security/x509.h"

namespace shoal::security {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

KeyAndCertificate Authority(absl::string_view name = "home") {
  auto made = MakeAuthority(name);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *made : KeyAndCertificate{};
}

KeyAndCertificate Client(const KeyAndCertificate& authority,
                         const Validity& validity = Validity()) {
  const auto request = MakeCertificateRequest();
  EXPECT_TRUE(request.ok()) << request.status();
  const auto certificate = IssueClientCertificate(
      authority, request->request_pem, "kitchen", validity);
  EXPECT_TRUE(certificate.ok()) << certificate.status();
  return {request->key_pem, *certificate};
}

absl::Status VerifyFor(const KeyAndCertificate& own,
                       const KeyAndCertificate& authority, int purpose) {
  const auto certificate = ReadCertificate(own.certificate_pem);
  const auto root = ReadCertificate(authority.certificate_pem);
  return VerifyCertificate(**certificate, **root, purpose, "it");
}

TEST(CertificateTest, WhatAnAuthorityIssuesIsOfThatAuthorityAlone) {
  const KeyAndCertificate authority = Authority();
  const KeyAndCertificate other = Authority();
  const auto server = IssueServerCertificate(authority);
  ASSERT_TRUE(server.ok()) << server.status();
  const KeyAndCertificate client = Client(authority);
  for (const KeyAndCertificate& own : {*server, client}) {
    EXPECT_TRUE(CheckIssued(own, authority.certificate_pem).ok());
    EXPECT_EQ(CheckIssued(own, other.certificate_pem).code(),
              absl::StatusCode::kPermissionDenied);
  }
}

TEST(CertificateTest, AClientsCertificateIsNoServersNorAnAuthority) {
  const KeyAndCertificate authority = Authority();
  const KeyAndCertificate client = Client(authority);
  const auto server = IssueServerCertificate(authority);
  EXPECT_TRUE(VerifyFor(client, authority, X509_PURPOSE_SSL_CLIENT).ok());
  EXPECT_TRUE(VerifyFor(*server, authority, X509_PURPOSE_SSL_SERVER).ok());
  EXPECT_EQ(VerifyFor(client, authority, X509_PURPOSE_SSL_SERVER).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(VerifyFor(*server, authority, X509_PURPOSE_SSL_CLIENT).code(),
            absl::StatusCode::kPermissionDenied);
  // A device that issues certificates itself brings nobody in.
  const KeyAndCertificate guest = Client(client);
  EXPECT_FALSE(VerifyFor(guest, authority, X509_PURPOSE_SSL_CLIENT).ok());
  EXPECT_FALSE(VerifyFor(guest, client, X509_PURPOSE_SSL_CLIENT).ok());
}

TEST(CertificateTest, TheNameIsTheOneThatTheAuthorityGave) {
  const KeyAndCertificate authority = Authority("home \xc3\xa4");
  EXPECT_EQ(*NameIn(authority.certificate_pem), "home \xc3\xa4");
  EXPECT_EQ(*NameIn(Client(authority).certificate_pem), "kitchen");
}

TEST(CertificateTest, NamesThatDoNotFitAreRefused) {
  for (const std::string& name :
       {std::string(), std::string(kCertificateNameBytesMax + 1, 'a'),
        std::string("a\nb"), std::string("a\0b", 3)}) {
    EXPECT_EQ(MakeAuthority(name).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(MakeAuthority(std::string(kCertificateNameBytesMax, 'a')).ok());
}

TEST(CertificateTest, ATimeOutsideValidityIsNamed) {
  const KeyAndCertificate authority = Authority();
  const absl::Time now = absl::Now();
  const KeyAndCertificate old =
      Client(authority, {now - absl::Hours(48), now - absl::Hours(24)});
  const KeyAndCertificate early =
      Client(authority, {now + absl::Hours(24), now + absl::Hours(48)});
  const absl::Status expired = CheckIssued(old, authority.certificate_pem);
  EXPECT_EQ(expired.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(expired.message()),
              AllOf(HasSubstr("was valid until"), HasSubstr("set the clock")));
  const absl::Status not_yet = CheckIssued(early, authority.certificate_pem);
  EXPECT_EQ(not_yet.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(not_yet.message()),
              AllOf(HasSubstr("is valid from"), HasSubstr("set the clock")));
}

TEST(CertificateTest, ARequestThatItsKeyDidNotSignIsRefused) {
  const KeyAndCertificate authority = Authority();
  auto request = MakeCertificateRequest();
  std::string damaged = request->request_pem;
  // Within the signature, which is at the end of the body.
  const size_t at = damaged.rfind("\n-----END") - 10;
  damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
  for (const std::string& text :
       {damaged, std::string(), std::string("-----BEGIN"),
        authority.certificate_pem, request->key_pem}) {
    const auto issued = IssueClientCertificate(authority, text, "kitchen");
    EXPECT_EQ(issued.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(CertificateTest, AKeyOfAnotherCertificateIsNoticed) {
  const KeyAndCertificate authority = Authority();
  KeyAndCertificate mixed = Client(authority);
  mixed.key_pem = Client(authority).key_pem;
  EXPECT_EQ(CheckIssued(mixed, authority.certificate_pem).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(IssueServerCertificate({authority.key_pem, mixed.certificate_pem})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CertificateTest, FingerprintsTellCertificatesApart) {
  const KeyAndCertificate authority = Authority();
  EXPECT_EQ(*FingerprintOf(authority.certificate_pem),
            *FingerprintOf(authority.certificate_pem));
  EXPECT_NE(*FingerprintOf(authority.certificate_pem),
            *FingerprintOf(Authority().certificate_pem));
  EXPECT_EQ(FingerprintOf("nothing").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CertificateTest, ErrorsRepeatNoKey) {
  const KeyAndCertificate authority = Authority();
  const absl::Status status = CheckIssued(
      {authority.key_pem, authority.key_pem}, authority.certificate_pem);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              Not(HasSubstr(authority.key_pem.substr(40, 16))));
}

}  // namespace
}  // namespace shoal::security
