#include "security/openssl_types.h"

#include <openssl/err.h>

#include <array>

#include "absl/strings/str_cat.h"

namespace shoal::security {

absl::Status OpenSslError(absl::string_view what) {
  std::array<char, 256> text = {};
  const unsigned long code = ERR_peek_last_error();
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return absl::InternalError(absl::StrCat(
      what, ": ", code == 0 ? "OpenSSL gave no reason" : text.data()));
}

}  // namespace shoal::security
