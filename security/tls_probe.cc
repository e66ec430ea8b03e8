#include "security/tls_probe.h"

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "security/openssl_types.h"
#include "security/x509.h"

namespace shoal::security {
namespace {

constexpr absl::Duration kLookAtStop = absl::Milliseconds(100);
// gRPC's; its server refuses who does not offer it.
constexpr std::array<unsigned char, 3> kProtocol = {2, 'h', '2'};

// One attempt: the connection and how long it may take.
class Dialler {
 public:
  Dialler(const std::string& address, absl::Time deadline,
          const std::function<bool()>& is_stopped)
      : address_(address), deadline_(deadline), is_stopped_(is_stopped) {}
  ~Dialler() { Close(); }
  Dialler(const Dialler&) = delete;
  Dialler& operator=(const Dialler&) = delete;

  absl::Status Connect();
  absl::Status Send(absl::string_view bytes);
  // At least one byte. Errors: kUnavailable  the other end hung up
  absl::StatusOr<std::string> Receive();

  absl::Status Gone(absl::string_view what) const {
    return absl::UnavailableError(
        absl::StrCat("nobody to join at ", address_, ": ", what));
  }

 private:
  absl::Status ConnectTo(const addrinfo& to);
  absl::Status WaitFor(short events);
  void Close() {
    if (file_ >= 0) close(file_);
    file_ = -1;
  }

  const std::string& address_;
  const absl::Time deadline_;
  const std::function<bool()>& is_stopped_;
  int file_ = -1;
};

absl::Status Dialler::WaitFor(short events) {
  for (;;) {
    if (is_stopped_ && is_stopped_()) return absl::CancelledError("stopped");
    const absl::Duration left = deadline_ - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(
          absl::StrCat("no answer from ", address_));
    }
    pollfd item = {file_, events, 0};
    const int ready =
        poll(&item, 1,
             static_cast<int>(absl::ToInt64Milliseconds(
                 std::min(left, kLookAtStop) + absl::Milliseconds(1))));
    if (ready > 0) return absl::OkStatus();
  }
}

absl::Status Dialler::ConnectTo(const addrinfo& to) {
  Close();
  file_ = socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file_ < 0) return Gone(std::strerror(errno));
  if (connect(file_, to.ai_addr, to.ai_addrlen) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS) return Gone(std::strerror(errno));
  SHOAL_RETURN_IF_ERROR(WaitFor(POLLOUT));
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(file_, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : Gone(std::strerror(error));
}

absl::Status Dialler::Connect() {
  const size_t colon = address_.rfind(':');
  if (colon == std::string::npos) return Gone("it is not HOST:PORT");
  std::string host = address_.substr(0, colon);
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(
      host.c_str(), address_.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) return Gone(gai_strerror(error));
  const std::unique_ptr<addrinfo, OpenSslDeleter<freeaddrinfo>> owner(found);
  absl::Status status = Gone("it has no address");
  for (const addrinfo* to = found; to != nullptr; to = to->ai_next) {
    status = ConnectTo(*to);
    if (!absl::IsUnavailable(status)) return status;
  }
  return status;
}

absl::Status Dialler::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      SHOAL_RETURN_IF_ERROR(WaitFor(POLLOUT));
    } else {
      return Gone(std::strerror(errno));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Dialler::Receive() {
  std::string bytes(4096, '\0');
  for (;;) {
    const ssize_t count = recv(file_, bytes.data(), bytes.size(), 0);
    if (count > 0) {
      bytes.resize(static_cast<size_t>(count));
      return bytes;
    }
    if (count == 0) return Gone("it hung up");
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      return Gone(std::strerror(errno));
    }
    SHOAL_RETURN_IF_ERROR(WaitFor(POLLIN));
  }
}

// A TLS client over memory: writing to a socket by itself, OpenSSL would raise
// SIGPIPE. The certificate is looked at afterwards.
class Handshake {
 public:
  static absl::StatusOr<std::unique_ptr<Handshake>> Create() {
    std::unique_ptr<Handshake> made(new Handshake);
    made->context_.reset(SSL_CTX_new(TLS_client_method()));
    made->tls_.reset(made->context_ == nullptr ? nullptr
                                               : SSL_new(made->context_.get()));
    if (made->tls_ == nullptr ||
        SSL_set_min_proto_version(made->tls_.get(), TLS1_2_VERSION) != 1 ||
        SSL_set_alpn_protos(made->tls_.get(), kProtocol.data(),
                            kProtocol.size()) != 0 ||
        SSL_set_tlsext_host_name(made->tls_.get(), kCoordinatorHostName) != 1) {
      return OpenSslError("beginning a TLS handshake");
    }
    // Owned by tls_ from here on.
    SSL_set_bio(made->tls_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(made->tls_.get());
    return made;
  }

  enum class Step { kDone, kMore, kFailed };
  Step Go() {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_.get());
    if (result == 1) return Step::kDone;
    const int error = SSL_get_error(tls_.get(), result);
    return error == SSL_ERROR_WANT_READ ? Step::kMore : Step::kFailed;
  }

  // What is to be sent now.
  std::string Output() {
    BIO* const out = SSL_get_wbio(tls_.get());
    std::string bytes(BIO_ctrl_pending(out), '\0');
    if (!bytes.empty()) {
      BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    }
    return bytes;
  }

  void Input(const std::string& bytes) {
    BIO_write(SSL_get_rbio(tls_.get()), bytes.data(),
              static_cast<int>(bytes.size()));
  }

  // Of the other end, its own first; owned by this.
  std::vector<X509*> Certificates() const {
    std::vector<X509*> certificates;
    STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(tls_.get());
    for (int i = 0; i < sk_X509_num(chain); ++i) {
      certificates.push_back(sk_X509_value(chain, i));
    }
    return certificates;
  }

 private:
  Handshake() = default;

  TlsContextPtr context_;
  TlsPtr tls_;
};

// Whether the other end answered by a TLS record at all: handshake or alert.
bool IsTlsRecord(const std::string& bytes) {
  return !bytes.empty() && (bytes[0] == 0x16 || bytes[0] == 0x15);
}

absl::Status NoTls(const std::string& address) {
  return absl::UnimplementedError(absl::StrCat(
      "what answers at ", address,
      " speaks no TLS: a coordinator with --insecure, or none at all"));
}

absl::StatusOr<std::unique_ptr<Handshake>> ShakeHands(
    Dialler& dialler, const std::string& address) {
  SHOAL_ASSIGN_OR_RETURN(auto handshake, Handshake::Create());
  SHOAL_RETURN_IF_ERROR(dialler.Connect());
  bool is_first = true;
  for (;;) {
    const Handshake::Step step = handshake->Go();
    SHOAL_RETURN_IF_ERROR(dialler.Send(handshake->Output()));
    if (step == Handshake::Step::kDone) return handshake;
    if (step == Handshake::Step::kFailed) {
      return absl::PermissionDeniedError(
          absl::StrCat("TLS with ", address,
                       " failed: ", OpenSslError("handshake").message()));
    }
    SHOAL_ASSIGN_OR_RETURN(const std::string bytes, dialler.Receive());
    if (is_first && !IsTlsRecord(bytes)) return NoTls(address);
    is_first = false;
    handshake->Input(bytes);
  }
}

}  // namespace

absl::StatusOr<CoordinatorIdentity> ProbeCoordinator(
    const std::string& address, absl::Time deadline,
    const std::function<bool()>& is_stopped) {
  Dialler dialler(address, deadline, is_stopped);
  SHOAL_ASSIGN_OR_RETURN(const auto handshake, ShakeHands(dialler, address));
  const std::vector<X509*> chain = handshake->Certificates();
  // A coordinator shows its own certificate and its authority's.
  if (chain.size() != 2 ||
      X509_check_host(chain[0], kCoordinatorHostName, 0, 0, nullptr) != 1) {
    return absl::PermissionDeniedError(
        absl::StrCat("what answers at ", address, " is no Shoal coordinator"));
  }
  SHOAL_RETURN_IF_ERROR(VerifyCertificate(
      *chain[0], *chain[1], X509_PURPOSE_SSL_SERVER,
      absl::StrCat("the certificate of the coordinator at ", address)));
  CoordinatorIdentity identity;
  identity.authority = FingerprintOf(*chain[1]);
  SHOAL_ASSIGN_OR_RETURN(identity.authority_certificate_pem, ToPem(*chain[1]));
  return identity;
}

bool SpeaksTls(const std::string& address, absl::Time deadline) {
  const std::function<bool()> never;
  Dialler dialler(address, deadline, never);
  return ShakeHands(dialler, address).ok();
}

}  // namespace shoal::security
