#include "worker/remote_unit_fetcher.h"

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"
#include "proto/fleet_protocol.h"

namespace shoal::worker {
namespace {

// Far above any unit of a published model.
constexpr uint64_t kUnitBytesMax = uint64_t{1} << 30;

absl::Status Malformed(const proto::UnitChunk& chunk, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(
      "unit ", chunk.unit_index(), " at byte ", chunk.offset(), ": ", what));
}

// Puts the chunks of one unit together.
class Assembler {
 public:
  // True when the unit is whole.
  absl::StatusOr<bool> Add(const proto::UnitChunk& chunk, uint32_t unit_index) {
    if (chunk.unit_index() != unit_index) {
      return Malformed(chunk,
                       absl::StrCat("unit ", unit_index, " was expected"));
    }
    if (chunk.unit_bytes() > kUnitBytesMax ||
        chunk.data().size() > proto::kUnitChunkBytesMax) {
      return Malformed(chunk, "it is too large");
    }
    if (chunk.offset() == 0) {
      bytes_.clear();
      bytes_.reserve(chunk.unit_bytes());
    }
    if (chunk.offset() != bytes_.size() ||
        chunk.data().size() > chunk.unit_bytes() - bytes_.size()) {
      return Malformed(chunk, "it does not join what came before");
    }
    const auto* data = reinterpret_cast<const std::byte*>(chunk.data().data());
    bytes_.insert(bytes_.end(), data, data + chunk.data().size());
    return chunk.last();
  }

  absl::StatusOr<parallel::UnitFetcher::Unit> Finish(
      const proto::UnitChunk& last,
      const parallel::UnitFetcher::Item& item) const {
    parallel::UnitFetcher::Unit unit;
    unit.unit_index = last.unit_index();
    unit.digest = {last.digest_high(), last.digest_low()};
    unit.unchanged = last.unchanged();
    if (unit.unchanged) {
      if (item.have != unit.digest || !bytes_.empty()) {
        return Malformed(last, "called unchanged, which it is not");
      }
      return unit;
    }
    if (bytes_.size() != last.unit_bytes()) {
      return Malformed(last, absl::StrCat("it ends early: ", bytes_.size(),
                                          " of ", last.unit_bytes(), " bytes"));
    }
    if (base::DigestOf(bytes_) != unit.digest) {
      return Malformed(last, "the bytes do not have the digest announced");
    }
    unit.canonical = bytes_;
    return unit;
  }

 private:
  std::vector<std::byte> bytes_;
};

// A broken connection has several codes in gRPC; what the coordinator itself
// answers for good has these.
bool MayRetry(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:
      return false;
    default:
      return true;
  }
}

proto::FetchUnitsRequest RequestFor(
    std::span<const parallel::UnitFetcher::Item> items, uint64_t epoch,
    uint64_t session_key) {
  proto::FetchUnitsRequest request;
  request.set_epoch(epoch);
  request.set_session_key(session_key);
  for (const auto& item : items) {
    auto& added = *request.add_items();
    added.set_unit_index(item.unit_index);
    if (!item.have) continue;
    added.set_have_high(item.have->high);
    added.set_have_low(item.have->low);
  }
  return request;
}

}  // namespace

// How one call ended. `may_retry` is about the source, not the sink.
struct RemoteUnitFetcher::Try {
  absl::Status status;
  bool may_retry = false;
};

RemoteUnitFetcher::RemoteUnitFetcher(proto::Fleet::StubInterface& stub,
                                     Options options)
    : stub_(stub), options_(options) {}

RemoteUnitFetcher::~RemoteUnitFetcher() = default;

void RemoteUnitFetcher::Stop() {
  base::MutexLock lock(mutex_);
  stopped_ = true;
  if (context_ != nullptr) context_->TryCancel();
  changed_.NotifyAll();
}

RemoteUnitFetcher::Try RemoteUnitFetcher::FetchOnce(
    std::span<const Item> items,
    absl::FunctionRef<absl::Status(const Unit&)> sink, size_t& done_count) {
  grpc::ClientContext context;
  {
    base::MutexLock lock(mutex_);
    if (stopped_) return {absl::CancelledError("fetching was stopped"), false};
    context_ = &context;
  }
  const auto reader = stub_.FetchUnits(
      &context, RequestFor(items.subspan(done_count), options_.epoch,
                           options_.session_key));
  std::optional<Try> ended;
  Assembler assembler;
  proto::UnitChunk chunk;
  while (!ended && done_count < items.size() && reader->Read(&chunk)) {
    const Item& item = items[done_count];
    const auto whole = assembler.Add(chunk, item.unit_index);
    if (!whole.ok()) {
      ended = Try{whole.status(), true};
    } else if (*whole) {
      const auto unit = assembler.Finish(chunk, item);
      if (!unit.ok()) {
        ended = Try{unit.status(), true};
      } else if (absl::Status taken = sink(*unit); !taken.ok()) {
        ended = Try{std::move(taken), false};
      } else {
        ++done_count;
      }
    }
  }
  if (ended) context.TryCancel();
  // The rest of a stream must be read before it can be finished.
  while (reader->Read(&chunk)) {
  }
  const grpc::Status finished = reader->Finish();
  {
    base::MutexLock lock(mutex_);
    context_ = nullptr;
    if (stopped_) return {absl::CancelledError("fetching was stopped"), false};
  }
  if (ended) return *std::move(ended);
  if (done_count == items.size()) return {absl::OkStatus(), false};
  if (finished.ok()) {
    return {absl::UnavailableError("the coordinator ended the stream early"),
            true};
  }
  const auto code = static_cast<absl::StatusCode>(finished.error_code());
  return {absl::Status(code, finished.error_message()), MayRetry(code)};
}

bool RemoteUnitFetcher::WaitBeforeRetry() {
  const absl::Time deadline = absl::Now() + options_.retry_wait;
  base::MutexLock lock(mutex_);
  while (!stopped_ && absl::Now() < deadline) {
    changed_.WaitUntil(mutex_, deadline);
  }
  return !stopped_;
}

absl::Status RemoteUnitFetcher::Fetch(
    std::span<const Item> items,
    absl::FunctionRef<absl::Status(const Unit&)> sink) {
  size_t done_count = 0;
  int try_count = 0;
  while (done_count < items.size()) {
    const size_t before = done_count;
    Try last = FetchOnce(items, sink, done_count);
    if (last.status.ok()) return absl::OkStatus();
    if (!last.may_retry) return last.status;
    try_count = done_count > before ? 0 : try_count + 1;
    if (try_count >= options_.try_count_max || !WaitBeforeRetry()) {
      return absl::Status(
          last.status.code(),
          absl::StrCat("fetching units from the coordinator: ",
                       last.status.message(), "; ", done_count, " of ",
                       items.size(), " are here, the next start goes on"));
    }
  }
  return absl::OkStatus();
}

}  // namespace shoal::worker
