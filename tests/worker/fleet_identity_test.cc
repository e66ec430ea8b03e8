// Workers that make sure of their coordinator, and it of them.

#include "worker/fleet_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "coordinator/coordinator.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "proto/fleet.grpc.pb.h"
#include "proto/inference.grpc.pb.h"
#include "security/fleet_secrets.h"
#include "tests/coordinator/fake_rank.h"
#include "tests/testing/temporary_folder.h"
#include "worker/coordinator_channel.h"

namespace shoal::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

// A coordinator with those secrets; null: without TLS.
class Listener {
 public:
  explicit Listener(const security::FleetSecrets* secrets) {
    coordinator::CoordinatorOptions options;
    options.listen_address = "127.0.0.1:0";
    if (secrets != nullptr) {
      options.secrets = std::make_shared<security::FleetSecrets>(*secrets);
    }
    parallel::DeviceProfile profile;
    profile.name = "desk";
    coordinator_ = coordinator::Coordinator::Create(options, rank_, profile);
    const auto address = coordinator_->Listen();
    EXPECT_TRUE(address.ok()) << address.status();
    address_ = address.value_or("");
  }
  const std::string& address() const { return address_; }

 private:
  coordinator::FakeRank rank_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::string address_;
};

class FleetIdentityTest : public ::testing::Test {
 protected:
  FleetIdentityOptions Options(
      const Listener& listener,
      const std::optional<security::JoinToken>& token) const {
    FleetIdentityOptions options;
    options.coordinator_address = listener.address();
    options.device_name = "kitchen";
    options.directory = folder_.File("identity");
    options.token = token;
    return options;
  }
  static void ExpectRefusal(const FleetIdentityOptions& options,
                            absl::StatusCode code, const std::string& text) {
    const auto trust = EstablishTrust(options, Soon(), {});
    EXPECT_EQ(trust.status().code(), code) << trust.status();
    EXPECT_THAT(std::string(trust.status().message()), HasSubstr(text));
  }
  // What the Fleet service answers to a stream of who trusts so.
  static grpc::Status Join(const Listener& listener,
                           const security::CoordinatorTrust& trust) {
    const auto stub =
        proto::Fleet::NewStub(DialCoordinator(listener.address(), &trust));
    grpc::ClientContext context;
    const auto stream = stub->Join(&context);
    stream->WritesDone();
    proto::CoordinatorMessage message;
    while (stream->Read(&message)) {
    }
    return stream->Finish();
  }
  static grpc::Status ListModels(const Listener& listener,
                                 const security::CoordinatorTrust& trust,
                                 const std::string& shown) {
    const auto stub =
        proto::Inference::NewStub(DialCoordinator(listener.address(), &trust));
    grpc::ClientContext context;
    if (!shown.empty()) context.AddMetadata("authorization", shown);
    proto::ListModelsReply reply;
    return stub->ListModels(&context, {}, &reply);
  }

  const testing::TemporaryFolder folder_;
  const security::FleetSecrets secrets_ = *security::MakeFleetSecrets("home");
  const security::FleetSecrets other_ = *security::MakeFleetSecrets("other");
};

TEST_F(FleetIdentityTest, ATokenBuysACertificateThatTheFleetAccepts) {
  const Listener listener(&secrets_);
  const auto trust =
      EstablishTrust(Options(listener, secrets_.token), Soon(), {});
  ASSERT_TRUE(trust.ok()) << trust.status();
  EXPECT_EQ(*security::NameIn(trust->own.certificate_pem), "kitchen");
  EXPECT_EQ(trust->authority_certificate_pem,
            secrets_.authority.certificate_pem);
  EXPECT_TRUE(Join(listener, *trust).ok());
  EXPECT_TRUE(ListModels(listener, *trust, "").ok());
}

TEST_F(FleetIdentityTest, WithoutACertificateNothingIsServed) {
  const Listener listener(&secrets_);
  const security::CoordinatorTrust bare = {secrets_.authority.certificate_pem,
                                           {}};
  EXPECT_EQ(Join(listener, bare).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ListModels(listener, bare, "").error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ListModels(listener, bare, "Bearer x").error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  // A client may show the token.
  EXPECT_TRUE(ListModels(listener, bare,
                         absl::StrCat("Bearer ", secrets_.token.ToText()))
                  .ok());
  // A certificate of one's own making counts for nothing.
  const auto request = security::MakeCertificateRequest();
  const security::CoordinatorTrust forged = {
      secrets_.authority.certificate_pem,
      {request->key_pem,
       *security::IssueClientCertificate(other_.authority, request->request_pem,
                                         "kitchen")}};
  EXPECT_FALSE(Join(listener, forged).ok());
}

TEST_F(FleetIdentityTest, ACertificateThatIsKeptNeedsNoTokenAgain) {
  const Listener listener(&secrets_);
  const auto first =
      EstablishTrust(Options(listener, secrets_.token), Soon(), {});
  ASSERT_TRUE(first.ok()) << first.status();
  const Listener again(&secrets_);
  const auto second = EstablishTrust(Options(again, {}), Soon(), {});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->own.certificate_pem, first->own.certificate_pem);
  EXPECT_TRUE(HasIdentity(folder_.File("identity")));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           folder_.File("identity"))) {
    if (entry.path().filename() != "key") continue;
    struct stat facts = {};
    ASSERT_EQ(stat(entry.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
  }
  FleetIdentityOptions renamed = Options(again, {});
  renamed.device_name = "bath";
  ExpectRefusal(renamed, absl::StatusCode::kPermissionDenied,
                "is for a device kitchen, and this one is called bath");
  renamed.token = secrets_.token;
  EXPECT_TRUE(EstablishTrust(renamed, Soon(), {}).ok());
}

TEST_F(FleetIdentityTest, WithNeitherTokenNorCertificateItSaysHowToGetIn) {
  const Listener listener(&secrets_);
  EXPECT_FALSE(HasIdentity(folder_.File("identity")));
  ExpectRefusal(Options(listener, {}), absl::StatusCode::kPermissionDenied,
                "no certificate yet; join it once with its token");
}

TEST_F(FleetIdentityTest, ACoordinatorOfAnotherAuthorityNeverSeesTheSecret) {
  const Listener listener(&other_);
  ExpectRefusal(Options(listener, secrets_.token),
                absl::StatusCode::kPermissionDenied,
                absl::StrCat("the coordinator at ", listener.address(),
                             " is not the one that the token is for"));
  EXPECT_FALSE(HasIdentity(folder_.File("identity")));
}

TEST_F(FleetIdentityTest, AnOldTokenOfTheSameAuthorityIsRefusedInWords) {
  const Listener listener(&secrets_);
  const auto old = security::JoinToken::Make(
      *security::FingerprintOf(secrets_.authority.certificate_pem));
  const auto options = Options(listener, old);
  ExpectRefusal(options, absl::StatusCode::kPermissionDenied,
                "but not its token now");
  EXPECT_THAT(
      std::string(EstablishTrust(options, Soon(), {}).status().message()),
      Not(HasSubstr(old.ToText().substr(7, 16))));
}

TEST_F(FleetIdentityTest, AServersCertificateOutsideItsTimeNamesTheClock) {
  const absl::Time now = absl::Now();
  for (const security::Validity& validity :
       {security::Validity{now - absl::Hours(48), now - absl::Hours(24)},
        security::Validity{now + absl::Hours(24), now + absl::Hours(48)}}) {
    security::FleetSecrets untimely = secrets_;
    untimely.server =
        *security::IssueServerCertificate(secrets_.authority, validity);
    const Listener listener(&untimely);
    ExpectRefusal(Options(listener, secrets_.token),
                  absl::StatusCode::kFailedPrecondition, "set the clock");
  }
}

TEST_F(FleetIdentityTest, AClientsCertificateMakesNoCoordinator) {
  const auto request = security::MakeCertificateRequest();
  security::FleetSecrets posing = secrets_;
  posing.server = {request->key_pem,
                   *security::IssueClientCertificate(
                       secrets_.authority, request->request_pem,
                       security::kCoordinatorHostName)};
  const Listener listener(&posing);
  ExpectRefusal(Options(listener, secrets_.token),
                absl::StatusCode::kPermissionDenied, "certificate");
}

TEST_F(FleetIdentityTest, ACoordinatorWithoutTlsIsNotTalkedTo) {
  const Listener listener(nullptr);
  ExpectRefusal(Options(listener, secrets_.token),
                absl::StatusCode::kUnimplemented, "speaks no TLS");
}

TEST_F(FleetIdentityTest, WhereNobodyListensThatIsSaidUnlessItIsStopped) {
  FleetIdentityOptions options;
  {
    const Listener gone(&secrets_);
    options = Options(gone, secrets_.token);
  }
  ExpectRefusal(options, absl::StatusCode::kUnavailable,
                options.coordinator_address);
  EXPECT_EQ(
      EstablishTrust(options, Soon(), [] { return true; }).status().code(),
      absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace shoal::worker
