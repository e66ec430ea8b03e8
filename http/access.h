// Who may ask: those with the key, or by a name that leads here.

#ifndef SHOAL_HTTP_ACCESS_H_
#define SHOAL_HTTP_ACCESS_H_

#include <httplib.h>

#include <string>
#include <vector>

namespace shoal::http {

// Without a key a page of the web must not ask through somebody's browser. So
// names in Host and Origin that are not known are refused (403): a stranger's
// name may lead to this machine's address (DNS rebinding). Addresses in figures
// and localhost are what they are.
struct Access {
  // What clients must show as "Authorization: Bearer KEY"; empty: nothing is
  // asked. Never logged.
  std::string api_key;
  // Names under which clients without a key reach it, "localhost" apart.
  std::vector<std::string> host_names;
};

// False: `response` says why not. `needs_key`: whether this is to be had with
// a key alone, where there is one.
bool IsAllowed(const Access& access, bool needs_key,
               const httplib::Request& request, httplib::Response& response);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_ACCESS_H_
