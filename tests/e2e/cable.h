// Two devices with an address each on one machine, and a cable between them:
// network namespaces.

#ifndef SHOAL_TESTS_E2E_CABLE_H_
#define SHOAL_TESTS_E2E_CABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::testing {

// Devices 1 and 2.
class Cable {
 public:
  // Errors: kFailedPrecondition  not allowed here: says why
  static absl::StatusOr<std::unique_ptr<Cable>> Plug();
  ~Cable();
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  std::string AddressOf(int device) const;

  // Words that run the words after them on the device.
  std::vector<std::string> Launcher(int device) const;

  // From here on what `device` sends goes to a hardware address that nobody
  // has; what is sent to it arrives as before. It notices nothing itself.
  // Errors, here and below: kInternal  it could not be done: says why
  absl::Status LoseWhatIsSentBy(int device) const;

  // What comes in for these TCP ports of `device` is dropped, as by a firewall;
  // from `first` to `last` < 65535, but not `open`, which may be 0.
  absl::Status DropAt(int device, uint32_t first, uint32_t last,
                      uint32_t open = 0) const;

 private:
  Cable() = default;
  std::string NameOf(int device) const;
  absl::Status SetUp() const;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_E2E_CABLE_H_
