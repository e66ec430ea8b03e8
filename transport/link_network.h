// What networks over sockets share: who dials whom, hellos, refusals.

#ifndef SHOAL_TRANSPORT_LINK_NETWORK_H_
#define SHOAL_TRANSPORT_LINK_NETWORK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/link.h"
#include "transport/network.h"
#include "transport/wake_event.h"

namespace shoal::transport {

// One Link per peer; the subclass makes them.
class LinkNetwork : public Network {
 public:
  ~LinkNetwork() override;

  absl::StatusOr<std::map<uint32_t, std::string>> Listen() override;
  absl::StatusOr<std::unique_ptr<ChannelGroup>> Connect(
      const std::map<uint32_t, std::string>& endpoints,
      absl::Time deadline) override;

 protected:
  explicit LinkNetwork(const NetworkOptions& options);

  // Errors: kUnavailable        the address cannot be bound or dialled
  //         kInvalidArgument    the address is none
  //         kResourceExhausted  too many sockets or files
  //         kDeadlineExceeded   the peer's machine does not answer
  // The text of ListenLink() stands alone, that of DialLink() goes on after
  // "rank 2 (kitchen) ".
  virtual absl::StatusOr<std::unique_ptr<Link>> ListenLink(
      const LinkOptions& options) = 0;
  virtual absl::StatusOr<std::unique_ptr<Link>> DialLink(
      const LinkOptions& options, const std::string& endpoint,
      absl::Time deadline) = 0;

 private:
  using Links = std::map<uint32_t, std::unique_ptr<Link>>;

  LinkOptions OptionsForLinks() const;
  absl::StatusOr<std::unique_ptr<Link>> Dial(
      const std::map<uint32_t, std::string>& endpoints, uint32_t peer,
      absl::Time deadline);
  absl::Status Accept(Link& link, uint32_t peer, absl::Time deadline);
  absl::Status AwaitHello(Link& link, uint32_t peer, absl::Time deadline);
  absl::Status Explain(const absl::Status& status, uint32_t peer,
                       absl::string_view late) const;

  const NetworkOptions options_;
  const std::shared_ptr<AbortState> abort_ = std::make_shared<AbortState>();
  std::shared_ptr<WakeEvent> wake_;  // from Listen() on
  Links links_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_LINK_NETWORK_H_
