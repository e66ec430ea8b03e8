#include "transport/channel.h"

#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::transport {

void AbortState::Set(const absl::Status& status) {
  SHOAL_CHECK(!status.ok());
  base::MutexLock lock(mutex_);
  if (!status_.ok()) return;
  status_ = status;
  aborted_.store(true, std::memory_order_release);
}

absl::Status AbortState::status() const {
  base::MutexLock lock(mutex_);
  return status_;
}

Channel::Channel(Options options)
    : options_(std::move(options)),
      peer_(absl::StrCat("rank ", options_.peer_rank, " (", options_.peer_name,
                         ")")) {
  SHOAL_CHECK(options_.payload_bytes_max <= kPayloadBytesLimit,
              options_.payload_bytes_max);
  SHOAL_CHECK(options_.abort != nullptr);
}

absl::Status Channel::Fail(const absl::Status& status) {
  failure_ = status;
  return status;
}

// For what SendBytes() and ReceiveBytes() return.
absl::Status Channel::Explain(const absl::Status& status, const char* verb,
                              absl::Time started) {
  if (abort().aborted()) return Fail(abort().status());
  if (absl::IsDeadlineExceeded(status)) {
    const absl::Duration waited =
        absl::Trunc(absl::Now() - started, absl::Milliseconds(1));
    return absl::DeadlineExceededError(
        absl::StrCat(peer_, " ", verb, " for ", absl::FormatDuration(waited)));
  }
  return Fail(
      absl::Status(status.code(), absl::StrCat(peer_, " ", status.message())));
}

absl::Status Channel::Send(const FrameHeader& header,
                           std::span<const std::byte> payload,
                           absl::Time deadline) {
  if (!failure_.ok()) return failure_;
  if (payload.size() > options_.payload_bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame for ", peer_, ": payload of ", payload.size(),
                     " bytes, allowed: <= ", options_.payload_bytes_max));
  }
  FrameHeader filled = header;
  filled.epoch = options_.epoch;
  filled.sequence = next_sent_;
  filled.rank = options_.rank;
  const absl::Time started = absl::Now();
  const absl::StatusOr<bool> shared = SendShared(filled, payload, deadline);
  absl::Status sent = shared.status();
  if (sent.ok() && !*shared) {
    std::array<std::byte, kFrameHeaderBytes> bytes;
    EncodeFrameHeader(filled, payload, bytes);
    sent = SendBytes(bytes, payload, deadline);
  }
  if (!sent.ok()) return Explain(sent, "took no frame", started);
  ++next_sent_;
  bytes_sent_ += kFrameHeaderBytes + payload.size();
  return absl::OkStatus();
}

absl::StatusOr<bool> Channel::SendShared(const FrameHeader& header,
                                         std::span<const std::byte> payload,
                                         absl::Time deadline) {
  SHOAL_ASSIGN_OR_RETURN(
      const std::span<std::byte> room,
      TakeRoom(kFrameHeaderBytes + payload.size(), deadline));
  if (room.empty()) return false;
  EncodeFrameHeader(header, payload, room.first<kFrameHeaderBytes>(),
                    Checked::kHeader);
  std::memcpy(room.data() + kFrameHeaderBytes, payload.data(), payload.size());
  SHOAL_RETURN_IF_ERROR(SendRoom(deadline));
  bytes_shared_ += room.size();
  return true;
}

absl::StatusOr<Frame> Channel::Receive(absl::Time deadline) {
  if (!failure_.ok()) return failure_;
  const absl::Time started = absl::Now();
  for (;;) {
    absl::StatusOr<std::span<const std::byte>> bytes = ReceiveBytes(deadline);
    if (!bytes.ok()) return Explain(bytes.status(), "sent nothing", started);
    absl::StatusOr<std::optional<Frame>> frame = ReadFrame(*bytes);
    if (!frame.ok()) {
      return Fail(
          absl::Status(frame.status().code(),
                       absl::StrCat(peer_, ": ", frame.status().message())));
    }
    if (frame->has_value()) return **frame;
  }
}

absl::StatusOr<std::optional<Frame>> Channel::ReadFrame(
    std::span<const std::byte> bytes) {
  SHOAL_ASSIGN_OR_RETURN(const FrameHeader header,
                         DecodeFrame(bytes, options_.payload_bytes_max,
                                     received_in_memory() ? Checked::kHeader
                                                          : Checked::kAll));
  if (header.epoch < options_.epoch) return std::nullopt;
  if (header.epoch > options_.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("frame of epoch ", header.epoch, ", this device is at ",
                     options_.epoch, " and missed a plan"));
  }
  if (header.rank != options_.peer_rank) {
    return absl::InvalidArgumentError(absl::StrCat(
        "frame header: rank is ", header.rank,
        ", allowed: ", options_.peer_rank, ", whose link this is"));
  }
  if (header.sequence != next_received_) {
    return absl::UnavailableError(
        absl::StrCat("the link lost or repeated frames: got number ",
                     header.sequence, ", wanted ", next_received_));
  }
  ++next_received_;
  bytes_received_ += bytes.size();
  const auto payload = bytes.subspan(kFrameHeaderBytes);
  if (header.type == FrameType::kAbort) {
    const absl::Status status = DecodeAbort(payload);
    return absl::Status(status.code(),
                        absl::StrCat("gave up: ", status.message()));
  }
  return Frame{header, payload};
}

absl::Status Channel::SendAbort(const absl::Status& status,
                                absl::Time deadline) {
  const std::string payload = EncodeAbort(status);
  FrameHeader header;
  header.type = FrameType::kAbort;
  return Send(header, std::as_bytes(std::span(payload)), deadline);
}

}  // namespace shoal::transport
