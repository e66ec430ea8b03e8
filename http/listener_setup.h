// What our servers of HTTP have in common: how they bind and what they refuse.

#ifndef SHOAL_HTTP_LISTENER_SETUP_H_
#define SHOAL_HTTP_LISTENER_SETUP_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "http/api_error.h"
#include "http/connection.h"

namespace shoal::http {

// False: the response says why not.
using AccessCheck =
    std::function<bool(const httplib::Request&, httplib::Response&)>;

// Every request has to pass `is_allowed`; bodies that are compressed are
// refused (415), and whatever the library refuses gets the form of ApiError.
void AddRefusals(AccessCheck is_allowed, HttpListener& listener);

// There is nothing of this name (404).
ApiError NotHere(const httplib::Request& request);

// Binds to `host` (without brackets) and `port`, 0 for any; returns the port.
// Errors: kUnavailable  the address cannot be bound
absl::StatusOr<uint16_t> Bind(const std::string& host, uint16_t port,
                              HttpListener& listener);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_LISTENER_SETUP_H_
