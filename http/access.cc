#include "http/access.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "http/api_error.h"
#include "http/completion_handler.h"
#include "http/host_check.h"

namespace shoal::http {
namespace {

// Takes the same time whatever is wrong with `shown`.
bool IsSameKey(const std::string& shown, const std::string& key) {
  unsigned difference = shown.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < key.size(); ++i) {
    const char other = i < shown.size() ? shown[i] : '\0';
    difference |= static_cast<unsigned char>(key[i] ^ other);
  }
  return difference == 0;
}

ApiError WrongKey(bool is_missing) {
  ApiError error;
  error.status = 401;
  error.message = is_missing ? "an API key is asked for: send the header "
                               "\"Authorization: Bearer KEY\""
                             : "the API key is not the one of this service";
  error.code = "invalid_api_key";
  return error;
}

ApiError WrongHost(const std::string& name) {
  ApiError error;
  error.status = 403;
  error.message = absl::StrCat(
      "this service has no API key, so it answers only to names that it knows, "
      "and \"",
      name, "\" is none: start it with --http-host ", name,
      ", ask for a key (--api-key-file), or use its address in figures");
  error.code = "unknown_host";
  return error;
}

// A name in Host or Origin that a browser may have been led here by.
std::string StrangeName(const httplib::Request& request,
                        const std::vector<std::string>& known) {
  std::vector<std::string> values;
  for (const char* field : {"Host", "Origin"}) {
    const auto [first, last] = request.headers.equal_range(field);
    for (auto it = first; it != last; ++it) values.push_back(it->second);
  }
  for (const std::string& value : values) {
    if (!IsKnownHost(value, known)) return PrintableHost(value);
  }
  return "";
}

}  // namespace

bool IsAllowed(const Access& access, bool needs_key,
               const httplib::Request& request, httplib::Response& response) {
  if (access.api_key.empty()) {
    const std::string strange = StrangeName(request, access.host_names);
    if (strange.empty()) return true;
    SetError(WrongHost(strange), response);
    return false;
  }
  if (!needs_key) return true;
  const std::string shown = request.get_header_value("Authorization");
  if (IsSameKey(shown, absl::StrCat("Bearer ", access.api_key))) return true;
  response.set_header("WWW-Authenticate", "Bearer");
  SetError(WrongKey(shown.empty()), response);
  return false;
}

}  // namespace shoal::http
