// Answers what the coordinator asks of a device beside its plans: how it is,
// whom it reaches, what it has logged.

#ifndef SHOAL_WORKER_INQUIRY_DESK_H_
#define SHOAL_WORKER_INQUIRY_DESK_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/log_ring.h"
#include "base/mutex.h"
#include "health/finding.h"
#include "transport/reach_probe.h"

namespace shoal::proto {
class Answer;
class DeviceLog;
class Finding;
class Inquiry;
class WorkerMessage;
}  // namespace shoal::proto

namespace shoal::worker {

// Threads: OnInquiry() by one thread at a time. Owns a thread, on which
//          `examine` runs and other devices are dialled; `send` is called by
//          it and by OnInquiry().
// Limits:  kWaitingMax inquiries wait; further ones are refused.
class InquiryDesk {
 public:
  static constexpr size_t kWaitingMax = 8;

  struct Options {
    std::string device_name;
    // Checks this device; takes up to a second. Null: nothing is checked.
    std::function<health::Findings()> examine;
    // Where other devices dial this one, and how they write it.
    std::string bind_address = "127.0.0.1";
    std::string advertised_address;  // empty: bind_address
    std::string coordinator_host;    // as this device dials it
    std::function<void(const proto::WorkerMessage&)> send;
  };

  explicit InquiryDesk(Options options);
  // What waits is not answered any more.
  ~InquiryDesk();
  InquiryDesk(const InquiryDesk&) = delete;
  InquiryDesk& operator=(const InquiryDesk&) = delete;

  void OnInquiry(const proto::Inquiry& inquiry);

 private:
  void Run();
  void Reply(const proto::Inquiry& inquiry);
  void Dial(const proto::Inquiry& inquiry, proto::Answer& answer) const;
  void OpenDoor(const proto::Inquiry& inquiry, proto::Answer& answer);

  const Options options_;
  std::unique_ptr<transport::ReachDoor> door_;  // of the thread

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<proto::Inquiry> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

proto::Finding ToProto(const health::Finding& finding);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_INQUIRY_DESK_H_
