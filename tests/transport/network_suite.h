// What holds on every network: network_suite.cc has the tests, and each
// transport's own test instantiates them.

#ifndef SHOAL_TESTS_TRANSPORT_NETWORK_SUITE_H_
#define SHOAL_TESTS_TRANSPORT_NETWORK_SUITE_H_

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/testing/connect_ranks.h"
#include "transport/channel.h"
#include "transport/network.h"

namespace shoal::transport {

// Makes all networks of one test.
class NetworkFactory {
 public:
  virtual ~NetworkFactory() = default;
  virtual std::unique_ptr<Network> Make(const NetworkOptions& options) = 0;
  // Well-formed, and nobody listens there.
  virtual std::string DeadEndpoint() = 0;
};

using NetworkFactoryMaker = std::unique_ptr<NetworkFactory> (*)();

// Sends what a correct channel would not.
class ChannelTestPeer {
 public:
  static absl::Status Send(Channel& channel, const FrameHeader& header,
                           std::span<const std::byte> payload);
  // As it is, checksum included.
  static absl::Status SendBytes(Channel& channel,
                                const std::vector<std::byte>& frame);
};

class NetworkTest : public ::testing::TestWithParam<NetworkFactoryMaker> {
 public:
  static constexpr uint64_t kPayloadBytesMax = 100'000;

 protected:
  // Fills groups_ with ranks that all link with each other.
  void Connect(uint32_t rank_count, uint32_t high_water_mark = 4,
               uint64_t payload_bytes_max = kPayloadBytesMax);

  // A header that rank 0 could send as its first one.
  FrameHeader NextHeader(uint64_t sequence = 1);

  std::unique_ptr<NetworkFactory> factory_ = GetParam()();
  std::vector<std::unique_ptr<ChannelGroup>> groups_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TESTS_TRANSPORT_NETWORK_SUITE_H_
