#include "cli/top_input.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/watch_file.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kPauseMax = absl::Seconds(1);
constexpr absl::Duration kCancelLook = absl::Milliseconds(50);

void Pause(absl::Duration duration, const std::atomic<bool>& cancel) {
  const absl::Time end =
      absl::Now() + std::clamp(duration, absl::ZeroDuration(), kPauseMax);
  while (!cancel && absl::Now() < end) {
    absl::SleepFor(std::min(kCancelLook, end - absl::Now()));
  }
}

}  // namespace

UpdateSource ReplaySource(std::string path, bool at_once) {
  return [path = std::move(path), at_once](
             const auto& on_update,
             const std::atomic<bool>& cancel) -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const auto reader, WatchFileReader::Open(path));
    int64_t last_ms = 0;
    proto::WatchUpdate update;
    while (!cancel) {
      SHOAL_ASSIGN_OR_RETURN(const bool is_there, reader->Next(update));
      if (!is_there) return absl::OkStatus();
      const int64_t time_ms = update.snapshot().time_unix_ms();
      if (!at_once && last_ms != 0) {
        Pause(absl::FromUnixMillis(time_ms) - absl::FromUnixMillis(last_ms),
              cancel);
      }
      last_ms = time_ms;
      if (!on_update(update)) return absl::OkStatus();
    }
    return absl::OkStatus();
  };
}

UpdateSource RecordingSource(UpdateSource from, std::string path) {
  return [from = std::move(from), path = std::move(path)](
             const auto& on_update,
             const std::atomic<bool>& cancel) -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const auto writer, WatchFileWriter::Create(path));
    absl::Status written;
    const absl::Status ended = from(
        [&](const proto::WatchUpdate& update) {
          written = writer->Write(update);
          return written.ok() && on_update(update);
        },
        cancel);
    SHOAL_RETURN_IF_ERROR(written);
    return ended;
  };
}

TopInput::TopInput(UpdateSource source) {
  thread_ = std::thread([this, source = std::move(source)] {
    const absl::Status status =
        source([this](const auto& update) { return Put(update); }, cancel_);
    base::MutexLock lock(mutex_);
    ended_ = status;
    changed_.NotifyAll();
  });
}

TopInput::~TopInput() {
  cancel_ = true;
  {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  }
  thread_.join();
}

bool TopInput::Put(const proto::WatchUpdate& update) {
  base::MutexLock lock(mutex_);
  while (updates_.size() >= kUpdateCountMax && !cancel_) changed_.Wait(mutex_);
  if (cancel_) return false;
  updates_.push_back(update);
  changed_.NotifyAll();
  return true;
}

bool TopInput::Wait(absl::Time deadline) {
  base::MutexLock lock(mutex_);
  while (updates_.empty() && !ended_ && absl::Now() < deadline) {
    changed_.WaitUntil(mutex_, deadline);
  }
  return !updates_.empty() || ended_.has_value();
}

std::vector<proto::WatchUpdate> TopInput::Take() {
  base::MutexLock lock(mutex_);
  std::vector<proto::WatchUpdate> taken(
      std::make_move_iterator(updates_.begin()),
      std::make_move_iterator(updates_.end()));
  updates_.clear();
  changed_.NotifyAll();
  return taken;
}

std::optional<absl::Status> TopInput::ended() const {
  base::MutexLock lock(mutex_);
  return updates_.empty() ? ended_ : std::nullopt;
}

}  // namespace shoal::cli
