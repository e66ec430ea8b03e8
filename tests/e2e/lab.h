// Devices with addresses, links and process tables of their own on one machine:
// the lab in the folder SHOAL_LAB_DIR.

#ifndef SHOAL_TESTS_E2E_LAB_H_
#define SHOAL_TESTS_E2E_LAB_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::testing {

class Lab {
 public:
  // Devices 1 to `device_count`, on links of 1 Gbit/s with 0.15 ms of delay.
  // Errors: kFailedPrecondition  no lab here, or it cannot be used: says why
  static absl::StatusOr<std::unique_ptr<Lab>> Start(int device_count);
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  // Changes the device's link: {"loss=2%"}.
  // Errors: kInternal  the lab could not: says why
  absl::Status SetLink(int device, const std::vector<std::string>& what) const;

  std::string AddressOf(int device) const;

  // Words that run the words after them on the device.
  std::vector<std::string> Launcher(int device) const;

 private:
  explicit Lab(std::string program) : program_(std::move(program)) {}
  std::vector<std::string> Command(const std::vector<std::string>& words) const;

  const std::string program_;
  const TemporaryFolder folder_;
  std::string name_;
  std::string prefix_;   // of the names of devices
  std::string network_;  // "10.79.7."
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_E2E_LAB_H_
