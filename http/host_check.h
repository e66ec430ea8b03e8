// Whether a client means this service by the name that it asks for.

#ifndef SHOAL_HTTP_HOST_CHECK_H_
#define SHOAL_HTTP_HOST_CHECK_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::http {

// `value` is that of the field Host or Origin: HOST, HOST:PORT or
// SCHEME://HOST:PORT. True for an address in figures, for which no name was
// looked up, for localhost, and for the names that are `known`.
bool IsKnownHost(absl::string_view value,
                 const std::vector<std::string>& known);

// Its host, for a message: at most 64 characters, none that could do harm.
std::string PrintableHost(absl::string_view value);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_HOST_CHECK_H_
