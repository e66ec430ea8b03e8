#include "security/certificate.h"

#include <openssl/asn1.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "security/openssl_types.h"
#include "security/random_bytes.h"
#include "security/x509.h"

namespace shoal::security {
namespace {

constexpr char kCurve[] = "P-256";

struct Extension {
  int nid = 0;
  const char* value = nullptr;
};

absl::Status CheckName(absl::string_view name) {
  bool is_plain = !name.empty() && name.size() <= kCertificateNameBytesMax;
  for (const char letter : name) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(letter))) {
      is_plain = false;
    }
  }
  if (is_plain) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "a name of ", name.size(), " bytes for a certificate; allowed: 1 to ",
      kCertificateNameBytesMax, " without control characters"));
}

absl::StatusOr<KeyPtr> MakeKey() {
  KeyPtr key(EVP_EC_gen(kCurve));
  if (key == nullptr) return OpenSslError("making a key");
  return key;
}

bool SetName(X509& certificate, absl::string_view name) {
  return X509_NAME_add_entry_by_txt(
             X509_get_subject_name(&certificate), "CN", MBSTRING_UTF8,
             reinterpret_cast<const unsigned char*>(name.data()),
             static_cast<int>(name.size()), -1, 0) == 1;
}

bool SetSerial(X509& certificate) {
  std::array<uint8_t, 16> bytes = {};
  FillRandom(bytes);
  bytes[0] &= 0x7f;  // positive
  using NumberPtr = std::unique_ptr<BIGNUM, OpenSslDeleter<BN_free>>;
  const NumberPtr number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(),
                            X509_get_serialNumber(&certificate)) != nullptr;
}

bool SetValidity(X509& certificate, const Validity& validity) {
  return ASN1_TIME_set(X509_getm_notBefore(&certificate),
                       absl::ToTimeT(validity.from)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(&certificate),
                       absl::ToTimeT(validity.until)) != nullptr;
}

bool AddExtensions(X509& certificate, X509& issuer,
                   const std::vector<Extension>& extensions) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  for (const Extension& extension : extensions) {
    const ExtensionPtr made(
        X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value));
    if (made == nullptr || X509_add_ext(&certificate, made.get(), -1) != 1) {
      return false;
    }
  }
  return true;
}

struct Issuer {
  CertificatePtr certificate;  // null: signs itself
  KeyPtr key;
};

absl::StatusOr<Issuer> ReadIssuer(const KeyAndCertificate& authority) {
  Issuer issuer;
  SHOAL_ASSIGN_OR_RETURN(issuer.key, ReadKey(authority.key_pem));
  SHOAL_ASSIGN_OR_RETURN(issuer.certificate,
                         ReadCertificate(authority.certificate_pem));
  if (X509_check_private_key(issuer.certificate.get(), issuer.key.get()) == 1) {
    return issuer;
  }
  return absl::InvalidArgumentError(
      "the authority's key does not belong to its certificate");
}

absl::StatusOr<CertificatePtr> Sign(absl::string_view name, EVP_PKEY& subject,
                                    const Issuer& issuer,
                                    const Validity& validity,
                                    const std::vector<Extension>& extensions) {
  CertificatePtr made(X509_new());
  if (made == nullptr) return OpenSslError("making a certificate");
  X509& by = issuer.certificate == nullptr ? *made : *issuer.certificate;
  if (X509_set_version(made.get(), X509_VERSION_3) != 1 || !SetSerial(*made) ||
      !SetValidity(*made, validity) || !SetName(*made, name) ||
      X509_set_issuer_name(made.get(), X509_get_subject_name(&by)) != 1 ||
      X509_set_pubkey(made.get(), &subject) != 1 ||
      !AddExtensions(*made, by, extensions) ||
      X509_sign(made.get(), issuer.key.get(), EVP_sha256()) == 0) {
    return OpenSslError("making a certificate");
  }
  return made;
}

// The key that signed it. Only P-256, so that nobody makes us verify with a key
// that takes minutes.
absl::StatusOr<KeyPtr> KeyOfRequest(absl::string_view request_pem) {
  const BioPtr bio(BIO_new_mem_buf(request_pem.data(),
                                   static_cast<int>(request_pem.size())));
  const RequestPtr request(
      PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  KeyPtr key(request == nullptr ? nullptr : X509_REQ_get_pubkey(request.get()));
  std::array<char, 32> curve = {};
  size_t size = 0;
  if (key == nullptr ||
      EVP_PKEY_get_group_name(key.get(), curve.data(), curve.size(), &size) !=
          1 ||
      absl::string_view(curve.data(), size) != SN_X9_62_prime256v1 ||
      X509_REQ_verify(request.get(), key.get()) != 1) {
    return absl::InvalidArgumentError(
        OpenSslError("no request for a certificate with a key on P-256")
            .message());
  }
  return key;
}

}  // namespace

absl::StatusOr<KeyAndCertificate> MakeAuthority(absl::string_view name,
                                                const Validity& validity) {
  SHOAL_RETURN_IF_ERROR(CheckName(name));
  Issuer itself;
  SHOAL_ASSIGN_OR_RETURN(itself.key, MakeKey());
  SHOAL_ASSIGN_OR_RETURN(
      const CertificatePtr made,
      Sign(name, *itself.key, itself, validity,
           {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
            {NID_key_usage, "critical,keyCertSign"},
            {NID_subject_key_identifier, "hash"}}));
  KeyAndCertificate result;
  SHOAL_ASSIGN_OR_RETURN(result.key_pem, ToPem(*itself.key));
  SHOAL_ASSIGN_OR_RETURN(result.certificate_pem, ToPem(*made));
  return result;
}

absl::StatusOr<KeyAndCertificate> IssueServerCertificate(
    const KeyAndCertificate& authority, const Validity& validity) {
  SHOAL_ASSIGN_OR_RETURN(const Issuer issuer, ReadIssuer(authority));
  SHOAL_ASSIGN_OR_RETURN(const KeyPtr key, MakeKey());
  const std::string host = absl::StrCat("DNS:", kCoordinatorHostName);
  SHOAL_ASSIGN_OR_RETURN(const CertificatePtr made,
                         Sign(kCoordinatorHostName, *key, issuer, validity,
                              {{NID_basic_constraints, "critical,CA:FALSE"},
                               {NID_key_usage, "critical,digitalSignature"},
                               {NID_ext_key_usage, "critical,serverAuth"},
                               {NID_subject_alt_name, host.c_str()},
                               {NID_subject_key_identifier, "hash"},
                               {NID_authority_key_identifier, "keyid"}}));
  KeyAndCertificate result;
  SHOAL_ASSIGN_OR_RETURN(result.key_pem, ToPem(*key));
  SHOAL_ASSIGN_OR_RETURN(result.certificate_pem, ToPem(*made));
  return result;
}

absl::StatusOr<KeyAndRequest> MakeCertificateRequest() {
  SHOAL_ASSIGN_OR_RETURN(const KeyPtr key, MakeKey());
  const RequestPtr request(X509_REQ_new());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (request == nullptr || bio == nullptr ||
      X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return OpenSslError("making a request for a certificate");
  }
  KeyAndRequest result;
  SHOAL_ASSIGN_OR_RETURN(result.key_pem, ToPem(*key));
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  result.request_pem.assign(data, static_cast<size_t>(size));
  return result;
}

absl::StatusOr<std::string> IssueClientCertificate(
    const KeyAndCertificate& authority, absl::string_view request_pem,
    absl::string_view device_name, const Validity& validity) {
  SHOAL_RETURN_IF_ERROR(CheckName(device_name));
  SHOAL_ASSIGN_OR_RETURN(const KeyPtr key, KeyOfRequest(request_pem));
  SHOAL_ASSIGN_OR_RETURN(const Issuer issuer, ReadIssuer(authority));
  SHOAL_ASSIGN_OR_RETURN(const CertificatePtr made,
                         Sign(device_name, *key, issuer, validity,
                              {{NID_basic_constraints, "critical,CA:FALSE"},
                               {NID_key_usage, "critical,digitalSignature"},
                               {NID_ext_key_usage, "critical,clientAuth"},
                               {NID_subject_key_identifier, "hash"},
                               {NID_authority_key_identifier, "keyid"}}));
  return ToPem(*made);
}

absl::StatusOr<Fingerprint> FingerprintOf(absl::string_view certificate_pem) {
  SHOAL_ASSIGN_OR_RETURN(const CertificatePtr certificate,
                         ReadCertificate(certificate_pem));
  return FingerprintOf(*certificate);
}

absl::StatusOr<std::string> NameIn(absl::string_view certificate_pem) {
  SHOAL_ASSIGN_OR_RETURN(const CertificatePtr certificate,
                         ReadCertificate(certificate_pem));
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  unsigned char* text = nullptr;
  const int size =
      at < 0
          ? -1
          : ASN1_STRING_to_UTF8(
                &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) {
    return absl::InvalidArgumentError("the certificate names nobody");
  }
  const std::string result(reinterpret_cast<const char*>(text),
                           static_cast<size_t>(size));
  OPENSSL_free(text);
  return result;
}

absl::Status CheckIssued(const KeyAndCertificate& own,
                         absl::string_view authority_certificate_pem) {
  SHOAL_ASSIGN_OR_RETURN(const KeyPtr key, ReadKey(own.key_pem));
  SHOAL_ASSIGN_OR_RETURN(const CertificatePtr certificate,
                         ReadCertificate(own.certificate_pem));
  SHOAL_ASSIGN_OR_RETURN(const CertificatePtr authority,
                         ReadCertificate(authority_certificate_pem));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return absl::InvalidArgumentError(
        "the key does not belong to the certificate");
  }
  return VerifyCertificate(*certificate, *authority, X509_PURPOSE_ANY,
                           "the certificate");
}

}  // namespace shoal::security
