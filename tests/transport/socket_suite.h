// What holds on every network over sockets, beyond network_suite.h:
// socket_suite.cc has the tests, and each transport instantiates them.

#ifndef SHOAL_TESTS_TRANSPORT_SOCKET_SUITE_H_
#define SHOAL_TESTS_TRANSPORT_SOCKET_SUITE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "security/key_derivation.h"
#include "tests/transport/network_suite.h"

namespace shoal::transport {

class SocketFactory : public NetworkFactory {
 public:
  ~SocketFactory() override;
  // Bound, so that nobody else gets the port, but not listening.
  std::string DeadEndpoint() override;

 private:
  int dead_fd_ = -1;
};

// Any epoch's secret, for networks that seal their links.
inline constexpr security::SecretKey kSealSecret = {1, 2, 3};

class SocketNetworkTest : public ::testing::TestWithParam<NetworkFactoryMaker> {
 protected:
  std::unique_ptr<NetworkFactory> factory_ = GetParam()();
};

}  // namespace shoal::transport

#endif  // SHOAL_TESTS_TRANSPORT_SOCKET_SUITE_H_
