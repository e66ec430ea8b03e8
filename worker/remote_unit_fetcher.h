// Gets units from the coordinator over gRPC, and goes on after a break.

#ifndef SHOAL_WORKER_REMOTE_UNIT_FETCHER_H_
#define SHOAL_WORKER_REMOTE_UNIT_FETCHER_H_

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "proto/fleet.grpc.pb.h"
#include "worker/rank_session.h"

namespace shoal::worker {

// Each try asks for the units that are not there yet; a try that brought at
// least one unit does not count against the limit.
//
// Memory: one unit, and gRPC's buffers.
class RemoteUnitFetcher final : public StoppableFetcher {
 public:
  struct Options {
    uint64_t epoch = 0;
    uint64_t session_key = 0;
    int try_count_max = 5;  // in a row without a unit
    absl::Duration retry_wait = absl::Milliseconds(200);
  };

  // `stub` is borrowed and must outlive this.
  RemoteUnitFetcher(proto::Fleet::StubInterface& stub, Options options);
  ~RemoteUnitFetcher() override;

  absl::Status Fetch(
      std::span<const Item> items,
      absl::FunctionRef<absl::Status(const Unit&)> sink) override;
  void Stop() override;

 private:
  struct Try;

  // Advances `done_count` past each item that the sink took.
  Try FetchOnce(std::span<const Item> items,
                absl::FunctionRef<absl::Status(const Unit&)> sink,
                size_t& done_count);
  bool WaitBeforeRetry();

  proto::Fleet::StubInterface& stub_;
  const Options options_;

  base::Mutex mutex_;
  base::CondVar changed_;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_REMOTE_UNIT_FETCHER_H_
