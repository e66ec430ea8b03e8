// Records all that crosses the loopback device, as a sniffer on a network does.

#ifndef SHOAL_TESTS_TESTING_LOOPBACK_CAPTURE_H_
#define SHOAL_TESTS_TESTING_LOOPBACK_CAPTURE_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace shoal::testing {

// Linux alone (AF_PACKET).
class LoopbackCapture {
 public:
  // Puts this process, with the children that it will have, into a network of
  // its own, where it may listen and nobody else talks. To be called before any
  // thread is started. False: this system does not allow it.
  static bool EnterOwnNetwork();

  // REQUIRES: EnterOwnNetwork() was true.
  LoopbackCapture();
  ~LoopbackCapture();
  LoopbackCapture(const LoopbackCapture&) = delete;
  LoopbackCapture& operator=(const LoopbackCapture&) = delete;

  // Ends the recording. All packets, one behind the other.
  const std::string& Stop();

 private:
  void Record();

  int socket_ = -1;
  std::atomic<bool> stops_ = false;
  std::string bytes_;
  std::thread recorder_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_LOOPBACK_CAPTURE_H_
