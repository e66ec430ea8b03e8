// A port for programs that cannot be told to take any.

#ifndef SHOAL_TESTS_TESTING_FREE_PORT_H_
#define SHOAL_TESTS_TESTING_FREE_PORT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace shoal::testing {

// Of 127.0.0.1; nobody listens there just now.
inline uint16_t FreePort() {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  SHOAL_CHECK(bind(file, reinterpret_cast<sockaddr*>(&address), size) == 0);
  SHOAL_CHECK(getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) ==
              0);
  close(file);
  return ntohs(address.sin_port);
}

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_FREE_PORT_H_
