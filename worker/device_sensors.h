// Load, clock, temperature and battery of this machine.

#ifndef SHOAL_WORKER_DEVICE_SENSORS_H_
#define SHOAL_WORKER_DEVICE_SENSORS_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "parallel/rank.h"

namespace shoal::worker {

// Reads what Linux tells below /proc and /sys: loadavg, cpufreq, thermal zones,
// power supplies. What is not there, or is no number, is left out; nothing is
// an error.
//
// Cost:    a sample is about ten short reads, at most one in kInterval; which
//          files there are is found out by the first one.
// Threads: thread-safe.
class DeviceSensors {
 public:
  static constexpr absl::Duration kInterval = absl::Seconds(1);

  // `root` stands for "/". `clock` is borrowed; null: the system's.
  explicit DeviceSensors(std::string root = "/", base::Clock* clock = nullptr);

  // Of now, or of up to kInterval ago.
  parallel::DeviceHealth Sample() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void FindFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  parallel::DeviceHealth Read() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string root_;  // ends with /
  base::Clock& clock_;

  base::Mutex mutex_;
  absl::Time sampled_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  parallel::DeviceHealth last_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> clocks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> clock_limits_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> temperatures_ ABSL_GUARDED_BY(mutex_);
  std::string battery_ ABSL_GUARDED_BY(mutex_);  // a folder; empty: none
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_DEVICE_SENSORS_H_
