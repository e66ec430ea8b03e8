#include "worker/inquiry_desk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "proto/fleet.pb.h"
#include "proto/fleet_protocol.h"
#include "worker/fleet_convert.h"

namespace shoal::worker {
namespace {

constexpr uint32_t kRoundTripCount = 30;
constexpr absl::Duration kDialTimeMax = absl::Seconds(10);
constexpr absl::Duration kOpenTimeMax = absl::Seconds(60);
// Lines in one answer: with the longest, half of the largest message.
constexpr size_t kLineCountMax = 400;

void FillLog(const proto::ReadLog& wish, absl::string_view device,
             proto::DeviceLog& log) {
  const auto least = static_cast<base::LogLevel>(std::min<uint32_t>(
      wish.level(), static_cast<uint32_t>(base::LogLevel::kError)));
  const base::LogRing& ring = base::LogRing::OfProcess();
  const base::LogRing::Part part =
      ring.Read(wish.first(), least, kLineCountMax);
  // Who reads them sees the device's name in front.
  const std::string prefix = absl::StrCat(device, ": ");
  for (const base::LogRecord& record : part.records) {
    proto::DeviceLog::Line& line = *log.add_lines();
    line.set_number(record.number);
    line.set_time_ns(record.time_ns);
    line.set_level(static_cast<uint32_t>(record.level));
    line.set_text(std::string(absl::StripPrefix(record.text, prefix)));
  }
  log.set_next(part.next);
  log.set_instance(ring.instance());
}

// "tcp://10.0.0.2:4711" with another host.
std::string WithHost(const std::string& endpoint, const std::string& host) {
  return absl::StrCat("tcp://", host, endpoint.substr(endpoint.rfind(':')));
}

}  // namespace

proto::Finding ToProto(const health::Finding& finding) {
  proto::Finding to;
  switch (finding.severity) {
    case health::Severity::kPass:
      to.set_severity(proto::SEVERITY_PASS);
      break;
    case health::Severity::kWarn:
      to.set_severity(proto::SEVERITY_WARN);
      break;
    case health::Severity::kFail:
      to.set_severity(proto::SEVERITY_FAIL);
      break;
  }
  to.set_check(finding.check);
  to.set_value(finding.value);
  to.set_expected(finding.expected);
  to.set_fix(finding.fix);
  return to;
}

InquiryDesk::InquiryDesk(Options options) : options_(std::move(options)) {
  thread_ = std::thread([this] { Run(); });
}

InquiryDesk::~InquiryDesk() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void InquiryDesk::OnInquiry(const proto::Inquiry& inquiry) {
  // These take no time, and their answer says what the clock is.
  if (inquiry.has_read_log() ||
      inquiry.kind_case() == proto::Inquiry::KIND_NOT_SET) {
    Reply(inquiry);
    return;
  }
  {
    base::MutexLock lock(mutex_);
    if (waiting_.size() < kWaitingMax) {
      waiting_.push_back(inquiry);
      changed_.NotifyAll();
      return;
    }
  }
  proto::WorkerMessage message;
  message.mutable_answer()->set_request(inquiry.request());
  *message.mutable_answer()->mutable_status() = ToProto(
      absl::ResourceExhaustedError("too many inquiries at a time; ask later"));
  options_.send(message);
}

void InquiryDesk::Run() {
  while (true) {
    proto::Inquiry inquiry;
    {
      base::MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) changed_.Wait(mutex_);
      if (stopping_) return;
      inquiry = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Reply(inquiry);
  }
}

void InquiryDesk::Reply(const proto::Inquiry& inquiry) {
  proto::WorkerMessage message;
  proto::Answer& answer = *message.mutable_answer();
  answer.set_request(inquiry.request());
  switch (inquiry.kind_case()) {
    case proto::Inquiry::kExamine:
      if (!options_.examine) break;
      for (const health::Finding& finding : options_.examine()) {
        *answer.add_findings() = ToProto(finding);
      }
      break;
    case proto::Inquiry::kOpenDoor:
      OpenDoor(inquiry, answer);
      break;
    case proto::Inquiry::kDialDoor:
      Dial(inquiry, answer);
      break;
    case proto::Inquiry::kReadLog:
      FillLog(inquiry.read_log(), options_.device_name, *answer.mutable_log());
      break;
    default:
      break;
  }
  answer.set_clock_ns(absl::GetCurrentTimeNanos());
  options_.send(message);
}

void InquiryDesk::OpenDoor(const proto::Inquiry& inquiry,
                           proto::Answer& answer) {
  const absl::Duration open_time =
      std::min(kOpenTimeMax, absl::Milliseconds(inquiry.open_door().open_ms()));
  auto door = transport::ReachDoor::Open(options_.bind_address, open_time);
  *answer.mutable_status() = ToProto(door.status());
  if (!door.ok()) return;
  door_ = *std::move(door);
  answer.set_door(
      options_.advertised_address.empty()
          ? door_->endpoint()
          : WithHost(door_->endpoint(), options_.advertised_address));
}

void InquiryDesk::Dial(const proto::Inquiry& inquiry,
                       proto::Answer& answer) const {
  const proto::DialDoor& wish = inquiry.dial_door();
  std::string endpoint = wish.endpoint();
  if (absl::StartsWith(endpoint,
                       absl::StrCat("tcp://", proto::kReachedHost, ":"))) {
    endpoint = WithHost(endpoint, options_.coordinator_host);
  }
  const absl::Duration time =
      std::min(kDialTimeMax, absl::Milliseconds(wish.timeout_ms()));
  const auto times =
      transport::MeasureReach(endpoint, kRoundTripCount, absl::Now() + time);
  *answer.mutable_status() = ToProto(times.status());
  if (!times.ok()) return;
  for (const absl::Duration one : *times) {
    answer.add_round_trip_ns(absl::ToInt64Nanoseconds(one));
  }
}

}  // namespace shoal::worker
