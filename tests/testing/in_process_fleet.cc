#include "tests/testing/in_process_fleet.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "kernels/layout.h"
#include "model/dimensions.h"

namespace shoal::testing {

absl::Status LocalFetcher::Fetch(
    std::span<const Item> items,
    absl::FunctionRef<absl::Status(const Unit&)> sink) {
  std::vector<std::byte> bytes;
  for (const Item& item : items) {
    const model::UnitLayout& layout = units_.unit(item.unit_index);
    bytes.resize(layout.spec.bytes);
    SHOAL_RETURN_IF_ERROR(source_.Read(layout, bytes));
    Unit unit;
    unit.unit_index = item.unit_index;
    unit.digest = base::DigestOf(bytes);
    unit.unchanged = item.have == unit.digest;
    unit.canonical = bytes;
    SHOAL_RETURN_IF_ERROR(sink(unit));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<InProcessFleet>> InProcessFleet::Create(
    const std::string& model_path, const FleetOptions& options) {
  std::unique_ptr<InProcessFleet> fleet(new InProcessFleet);
  SHOAL_ASSIGN_OR_RETURN(fleet->source_, model::UnitSource::Open(model_path));
  SHOAL_ASSIGN_OR_RETURN(fleet->header_,
                         model::GgufHeader::ReadFile(model_path));
  SHOAL_ASSIGN_OR_RETURN(fleet->spec_, model::LoadModelSpec(*fleet->header_));
  SHOAL_ASSIGN_OR_RETURN(
      fleet->units_, model::UnitTable::Create(fleet->spec_, *fleet->header_));
  fleet->embedding_.emplace(fleet->spec_, *fleet->header_, *fleet->source_);
  fleet->fetcher_ =
      std::make_unique<LocalFetcher>(*fleet->units_, *fleet->source_);
  const auto specs = fleet->units_->Specs();
  parallel::PlanRequest request;
  request.units = specs;
  request.dimensions = model::DimensionsOf(fleet->spec_, *fleet->units_,
                                           options.run.f32_activations);
  for (uint32_t r = 0; r < options.rank_count; ++r) {
    parallel::DeviceProfile& device = request.devices.emplace_back();
    device.name = absl::StrCat("rank-", r);
    device.budget_bytes = options.budget_bytes;
  }
  request.options = options.run;
  request.payload = options.payload;
  request.collective = options.collective;
  request.tensor_parallel = options.tensor_parallel;
  request.pipeline_parallel = options.pipeline_parallel;
  request.shares = options.shares;
  request.head = options.head;
  request.chunk_tokens = options.chunk_tokens;
  SHOAL_ASSIGN_OR_RETURN(fleet->plan_, parallel::MakePlan(request));
  fleet->plan_.epoch = 1;
  SHOAL_RETURN_IF_ERROR(fleet->Start(options));
  return fleet;
}

absl::Status InProcessFleet::Start(const FleetOptions& options) {
  for (uint32_t r = 0; r < options.rank_count; ++r) {
    worker::RankEngine::Options engine;
    engine.store_directory = absl::StrCat(options.store_root, "/rank-", r);
    engine.threads = options.threads;
    engine.isa = options.isa;
    engine.kernels = options.kernels;
    engine.file_system = options.file_system;
    engine.clock = options.clock;
    if (r + 1 == options.rank_count) engine.memory_watch = options.memory_watch;
    if (options.transport == parallel::Transport::kTcp) {
      engine.make_network = [](parallel::Transport,
                               const transport::NetworkOptions& network) {
        return std::make_unique<transport::TcpNetwork>(network);
      };
    } else if (options.transport == parallel::Transport::kZmq) {
      SHOAL_ASSIGN_OR_RETURN(contexts_.emplace_back(),
                             transport::ZmqContext::Create());
      engine.make_network = [context = contexts_.back().get()](
                                parallel::Transport,
                                const transport::NetworkOptions& network) {
        return std::make_unique<transport::ZmqNetwork>(*context, network);
      };
    } else {
      engine.make_network = [this](parallel::Transport,
                                   const transport::NetworkOptions& network) {
        return network_.Join(network);
      };
    }
    SHOAL_ASSIGN_OR_RETURN(ranks_.emplace_back(),
                           worker::RankEngine::Create(std::move(engine)));
    parallel::RankSetup setup;
    setup.rank = r;
    setup.plan = plan_;
    setup.model.id = "test-model";
    setup.model.name = header_->source();
    setup.model.header = header_->Serialize("tokenizer.");
    setup.model.file_size = header_->file_size();
    setup.options = options.run;
    setup.budget_bytes = options.budget_bytes;
    setup.link_secret = {7};
    SHOAL_RETURN_IF_ERROR(
        ranks_[r]->Load(setup, *fetcher_, [](const auto&) {}));
  }
  std::vector<std::map<uint32_t, std::string>> dial(options.rank_count);
  for (uint32_t r = 0; r < options.rank_count; ++r) {
    SHOAL_ASSIGN_OR_RETURN(const auto endpoints, ranks_[r]->Listen());
    for (const auto& [peer, endpoint] : endpoints) dial[peer][r] = endpoint;
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  for (uint32_t r = 1; r < options.rank_count; ++r) {
    threads_.emplace_back([this, r, endpoints = dial[r], deadline] {
      if (!ranks_[r]->Connect(endpoints, deadline).ok()) return;
      ranks_[r]->Serve().IgnoreError();
    });
  }
  return ranks_[0]->Connect(dial[0], deadline);
}

InProcessFleet::~InProcessFleet() {
  for (auto& rank : ranks_) {
    if (rank != nullptr) rank->Abort(absl::CancelledError("the test is over"));
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::StatusOr<std::vector<float>> InProcessFleet::Evaluate(
    std::span<const int32_t> ids, uint32_t first_position,
    uint32_t logits_rows) {
  std::vector<float> logits(uint64_t{logits_rows} * spec_.vocabulary);
  uint64_t logits_done = 0;
  for (size_t begin = 0; begin < ids.size(); begin += plan_.chunk_tokens) {
    const size_t count =
        std::min<size_t>(plan_.chunk_tokens, ids.size() - begin);
    std::vector<float> embedded(count * spec_.hidden);
    SHOAL_RETURN_IF_ERROR(embedding_->Read(
        ids.subspan(begin, count),
        first_position + static_cast<uint32_t>(begin), embedded));
    parallel::Pass pass;
    pass.epoch = plan_.epoch;
    pass.number = ++pass_;
    parallel::PassRow& row = pass.rows.emplace_back();
    row.first_position = first_position + static_cast<uint32_t>(begin);
    row.truncate_to = row.first_position;
    row.token_count = static_cast<uint32_t>(count);
    const size_t behind = ids.size() - begin - count;
    row.logits_count = static_cast<uint32_t>(
        logits_rows > behind ? std::min<size_t>(count, logits_rows - behind)
                             : 0);
    SHOAL_RETURN_IF_ERROR(ranks_[0]->RunPass(
        pass, embedded,
        std::span(logits).subspan(
            logits_done, uint64_t{row.logits_count} * spec_.vocabulary)));
    logits_done += uint64_t{row.logits_count} * spec_.vocabulary;
  }
  return logits;
}

std::vector<parallel::RankReport> InProcessFleet::Reports() const {
  std::vector<parallel::RankReport> reports;
  for (const auto& rank : ranks_) reports.push_back(rank->Report());
  return reports;
}

std::vector<parallel::RankReport> InProcessFleet::ReportsAfter(
    uint64_t decode_passes) const {
  for (const auto& rank : ranks_) {
    while (rank->Report().decode_passes < decode_passes) {
      std::this_thread::yield();
    }
  }
  return Reports();
}

}  // namespace shoal::testing
