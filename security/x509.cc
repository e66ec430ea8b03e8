#include "security/x509.h"

#include <openssl/asn1.h>
#include <openssl/pem.h>

#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shoal::security {
namespace {

BioPtr BioOf(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string TextOf(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// Without it OpenSSL would ask the terminal for one.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/,
               void* /*user*/) {
  return -1;
}

std::string DayOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown time";
  return absl::FormatTime("%Y-%m-%d %H:%M",
                          absl::FromTM(parts, absl::UTCTimeZone()),
                          absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<CertificatePtr> ReadCertificate(absl::string_view pem) {
  const BioPtr bio = BioOf(pem);
  CertificatePtr certificate(
      PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
  if (certificate != nullptr) return certificate;
  return absl::InvalidArgumentError(OpenSslError("no certificate").message());
}

absl::StatusOr<KeyPtr> ReadKey(absl::string_view pem) {
  const BioPtr bio = BioOf(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (key != nullptr) return key;
  return absl::InvalidArgumentError(OpenSslError("no private key").message());
}

absl::StatusOr<std::string> ToPem(X509& certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), &certificate) != 1) {
    return OpenSslError("writing a certificate");
  }
  return TextOf(*bio);
}

absl::StatusOr<std::string> ToPem(EVP_PKEY& private_key) {
  // Freed memory of this one is wiped.
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PrivateKey(bio.get(), &private_key, nullptr, nullptr, 0,
                               nullptr, nullptr) != 1) {
    return OpenSslError("writing a key");
  }
  return TextOf(*bio);
}

Fingerprint FingerprintOf(const X509& certificate) {
  Fingerprint fingerprint = {};
  unsigned int size = 0;
  X509_digest(&certificate, EVP_sha256(), fingerprint.data(), &size);
  return fingerprint;
}

absl::Status VerifyCertificate(X509& certificate, X509& authority, int purpose,
                               absl::string_view whose) {
  const TrustStorePtr store(X509_STORE_new());
  const TrustContextPtr context(X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr ||
      X509_STORE_add_cert(store.get(), &authority) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), &certificate, nullptr) !=
          1 ||
      X509_STORE_CTX_set_purpose(context.get(), purpose) != 1) {
    return OpenSslError("verifying a certificate");
  }
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  const int error = X509_STORE_CTX_get_error(context.get());
  const X509* at = X509_STORE_CTX_get_current_cert(context.get());
  if (at == nullptr) at = &certificate;
  const std::string now =
      absl::FormatTime("%Y-%m-%d %H:%M", absl::Now(), absl::UTCTimeZone());
  if (error == X509_V_ERR_CERT_NOT_YET_VALID) {
    return absl::FailedPreconditionError(
        absl::StrCat(whose, " is valid from ", DayOf(X509_get0_notBefore(at)),
                     " UTC, and the clock here says ", now, "; set the clock"));
  }
  if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
    return absl::FailedPreconditionError(
        absl::StrCat(whose, " was valid until ", DayOf(X509_get0_notAfter(at)),
                     " UTC, and the clock here says ", now,
                     "; set the clock, or make the fleet's secrets anew"));
  }
  return absl::PermissionDeniedError(
      absl::StrCat(whose, " is not of this fleet's authority (",
                   X509_verify_cert_error_string(error), ")"));
}

}  // namespace shoal::security
