#include "worker/rank_engine.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "kernels/cpu_cores.h"
#include "memory/process_memory.h"
#include "security/key_derivation.h"

namespace shoal::worker {
namespace {

// Idle ranks wait for the next pass for as long as it takes; the control plane
// notices a coordinator that is gone and aborts. Meanwhile they look at their
// memory: seldom, sooner for a while after a look that changed something, since
// a shortage goes on. While there is a step left to take they rest at least as
// long as the last one took, so that a pass need not wait for one.
constexpr absl::Duration kRestLook = absl::Seconds(2);
constexpr absl::Duration kRestAgain = absl::Milliseconds(600);
constexpr absl::Duration kRestStep = absl::Milliseconds(100);
// How long a rank polls for a frame before it sleeps: between passes hardly,
// within one for as long as ranks usually differ when single tokens are
// computed. Beside longer waits the time to wake up is nothing.
constexpr absl::Duration kIdlePolling = absl::Microseconds(50);
constexpr absl::Duration kPassPolling = absl::Microseconds(500);
constexpr absl::Duration kFarewellTimeout = absl::Milliseconds(200);

// What hellos show, in clear if links are not sealed: it tells nothing of the
// secret.
transport::LinkKey LinkKeyFrom(const security::SecretKey& secret) {
  const security::SecretKey key =
      security::DeriveKey(secret, {}, "shoal data link, hello");
  transport::LinkKey bytes = {};
  std::memcpy(bytes.data(), key.data(), bytes.size());
  return bytes;
}

// Whether a pass waited for the disk for more than a third of its time.
bool IsDiskBound(const PassTimes& times) {
  return 2 * times.stall > times.compute + times.wait + times.exchange;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RankEngine>> RankEngine::Create(
    Options options) {
  if (options.threads < 1 ||
      options.threads > kernels::ThreadTeam::kMemberCountMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads is ", options.threads, "; allowed: 1 to ",
                     kernels::ThreadTeam::kMemberCountMax));
  }
  std::unique_ptr<RankEngine> engine(new RankEngine(std::move(options)));
  engine->kernels_ = engine->options_.kernels;
  if (engine->kernels_ == nullptr) {
    SHOAL_ASSIGN_OR_RETURN(engine->kernels_,
                           kernels::SelectKernels(engine->options_.isa));
  }
  kernels::ThreadTeam::Options team;
  team.member_count = engine->options_.threads;
  team.cores = kernels::CoresFor(kernels::ReadCpuCores(), team.member_count);
  engine->team_ = kernels::ThreadTeam::Create(team);
  return engine;
}

absl::Status RankEngine::Load(
    const parallel::RankSetup& setup, parallel::UnitFetcher& fetcher,
    absl::FunctionRef<void(const parallel::LoadProgress&)> progress) {
  Unload();
  RankResources resources;
  resources.store_directory = options_.store_directory;
  resources.disk_cap_bytes = options_.disk_cap_bytes;
  resources.kernels = kernels_;
  resources.team = team_.get();
  resources.file_system = options_.file_system;
  resources.clock = options_.clock;
  parallel::RankSetup within = setup;
  if (options_.memory_watch && !options_.memory_watch->cap_file.empty()) {
    SHOAL_ASSIGN_OR_RETURN(
        const uint64_t cap,
        memory::MemoryWatch::ReadCap(options_.memory_watch->cap_file));
    within.budget_bytes = std::min(within.budget_bytes, cap);
  }
  SHOAL_ASSIGN_OR_RETURN(
      loaded_, LoadedRank::Load(within, resources, fetcher, progress));
  if (options_.memory_watch) {
    memory::MemoryWatch::Options watch = *options_.memory_watch;
    watch.clock = options_.clock;
    watch_.emplace(std::move(watch), loaded_->budget_range());
  }
  team_->set_spin(setup.options.may_poll);
  base::MutexLock lock(mutex_);
  report_ = loaded_->facts();
  report_.epoch = setup.plan.epoch;
  report_.waited_for.resize(setup.plan.rank_count());
  trace_ = loaded_->trace();
  aborted_ = absl::OkStatus();
  stops_ = false;
  decode_pass_count_ = 0;
  return absl::OkStatus();
}

absl::Duration RankEngine::PollingTime(absl::Duration wanted) const {
  const bool may_poll = loaded_->setup().options.may_poll &&
                        options_.threads <= std::thread::hardware_concurrency();
  return may_poll ? wanted : absl::ZeroDuration();
}

absl::StatusOr<std::map<uint32_t, std::string>> RankEngine::Listen() {
  SHOAL_CHECK(loaded_ != nullptr);
  const parallel::RankSetup& setup = loaded_->setup();
  transport::NetworkOptions options;
  options.rank = setup.rank;
  options.epoch = setup.plan.epoch;
  options.link_key = LinkKeyFrom(setup.link_secret);
  if (setup.options.seal_links) options.seal_secret = setup.link_secret;
  options.bind_address = options_.bind_address;
  options.advertised_address = options_.advertised_address;
  options.payload_bytes_max = loaded_->payload_bytes_max();
  for (const uint32_t peer :
       PeersOf(setup.plan, setup.rank, loaded_->spec(), loaded_->units())) {
    options.peers[peer] = setup.plan.device_names[peer];
  }
  if (options.peers.empty()) return std::map<uint32_t, std::string>();
  if (parallel::SharesMemory(setup.options)) {
    options.shared_bytes =
        parallel::SharedBytes(setup.plan, loaded_->spec().hidden);
  }
  options.polling_time = PollingTime(kIdlePolling);
  network_ = options_.make_network(setup.options.transport, options);
  return network_->Listen();
}

absl::Status RankEngine::Connect(
    const std::map<uint32_t, std::string>& endpoints, absl::Time deadline) {
  SHOAL_CHECK(loaded_ != nullptr);
  std::shared_ptr<transport::ChannelGroup> channels;
  if (network_ != nullptr) {
    SHOAL_ASSIGN_OR_RETURN(channels, network_->Connect(endpoints, deadline));
  }
  runner_ = std::make_unique<PassRunner>(*loaded_, channels.get(), stops_);
  base::MutexLock lock(mutex_);
  channels_ = std::move(channels);
  if (!aborted_.ok() && channels_ != nullptr) channels_->Abort(aborted_);
  return aborted_;
}

std::shared_ptr<transport::ChannelGroup> RankEngine::Channels() const {
  base::MutexLock lock(mutex_);
  return channels_;
}

absl::Status RankEngine::RunPass(const parallel::Pass& pass,
                                 std::span<const float> residual,
                                 std::span<float> logits) {
  SHOAL_CHECK(runner_ != nullptr && loaded_->setup().rank == 0);
  {
    base::MutexLock lock(mutex_);
    SHOAL_RETURN_IF_ERROR(aborted_);
  }
  if (absl::Status opened = OpenPass(pass); !opened.ok()) return Fail(opened);
  return RunLocally(pass, residual, logits);
}

absl::Status RankEngine::OpenPass(const parallel::Pass& pass) {
  const auto channels = Channels();
  if (channels == nullptr) return absl::OkStatus();
  pass_bytes_ = parallel::EncodePass(pass, std::move(pass_bytes_));
  transport::FrameHeader header;
  header.type = transport::FrameType::kPass;
  header.pass = pass.number;
  header.tokens = pass.token_count();
  const absl::Time deadline =
      absl::Now() + loaded_->setup().options.data_timeout;
  for (const auto& [peer, channel] : channels->channels()) {
    SHOAL_RETURN_IF_ERROR(channel->Send(header, pass_bytes_, deadline));
  }
  return absl::OkStatus();
}

absl::Status RankEngine::Serve() {
  SHOAL_CHECK(runner_ != nullptr && loaded_->setup().rank != 0);
  const auto channels = Channels();
  while (true) {
    auto frame = channels->To(0).Receive(absl::Now() + RestTime());
    if (absl::IsDeadlineExceeded(frame.status())) {
      if (absl::Status idle = AdaptMemory(); !idle.ok()) return Fail(idle);
      continue;
    }
    if (!frame.ok()) return Fail(frame.status());
    SHOAL_RETURN_IF_ERROR(ServePass(*frame));
  }
}

absl::Status RankEngine::ServePass(const transport::Frame& frame) {
  if (frame.header.type != transport::FrameType::kPass) {
    return Fail(absl::InvalidArgumentError(absl::StrCat(
        "rank 0 is out of step: ", transport::ToString(frame.header),
        " came where a pass descriptor was expected")));
  }
  const parallel::RankSetup& setup = loaded_->setup();
  auto pass =
      parallel::DecodePass(frame.payload, setup.plan.chunk_tokens,
                           setup.options.context_positions, std::move(served_));
  if (!pass.ok()) return Fail(pass.status());
  served_ = *std::move(pass);
  return RunLocally(served_, {}, {});
}

absl::Duration RankEngine::RestTime() const {
  if (wish_) return std::max(kRestStep, step_time_);
  return absl::Now() - wished_ < kRestLook ? kRestAgain : kRestLook;
}

absl::Duration RankEngine::Rest() {
  if (runner_ == nullptr) return kRestLook;
  {
    base::MutexLock lock(mutex_);
    if (!aborted_.ok()) return kRestLook;
  }
  if (absl::Status adapted = AdaptMemory(); !adapted.ok()) {
    Fail(adapted).IgnoreError();
  }
  return RestTime();
}

absl::Status RankEngine::AdaptMemory() {
  if (!watch_) return absl::OkStatus();
  if (auto wish = watch_->Poll(); wish.has_value()) {
    wished_ = absl::Now();
    if (!wish_) resident_bytes_before_ = loaded_->facts().resident_bytes;
    wish_ = std::move(wish);
  }
  if (!wish_) return absl::OkStatus();
  const absl::Time begin = absl::Now();
  SHOAL_ASSIGN_OR_RETURN(const bool done,
                         loaded_->SetBudget(wish_->budget_bytes));
  step_time_ = absl::Now() - begin;
  if (done) {
    TellMemory(*wish_);
    wish_.reset();
  }
  NoteMemory();
  return absl::OkStatus();
}

void RankEngine::NoteMemory() {
  base::MutexLock lock(mutex_);
  report_.budget_bytes = loaded_->facts().budget_bytes;
  report_.resident_bytes = loaded_->facts().resident_bytes;
  report_.window_bytes = loaded_->facts().window_bytes;
}

void RankEngine::TellMemory(const memory::MemoryWatch::Wish& wish) const {
  const parallel::RankReport& facts = loaded_->facts();
  if (wish.below_floor) {
    SHOAL_LOG(kWarning, facts.name, ": ", wish.why,
              ", but the floor for this plan is ",
              base::FormatByteSize(wish.budget_bytes),
              "; it goes on with that");
  }
  if (facts.resident_bytes == resident_bytes_before_) return;
  SHOAL_LOG(kWarning, facts.name, ": weights in memory ",
            base::FormatByteSize(resident_bytes_before_), " -> ",
            base::FormatByteSize(facts.resident_bytes), " of ",
            base::FormatByteSize(facts.share_bytes), " (", wish.why, ")");
}

absl::Status RankEngine::RunLocally(const parallel::Pass& pass,
                                    std::span<const float> residual,
                                    std::span<float> logits) {
  if (absl::Status adapted = AdaptMemory(); !adapted.ok()) return Fail(adapted);
  if (absl::Status room = loaded_->MakeRoomForKv(pass); !room.ok())
    return Fail(room);
  NoteMemory();
  const absl::Time begin = absl::Now();
  const auto channels = Channels();
  const uint64_t sent = channels ? channels->bytes_sent() : 0;
  const uint64_t received = channels ? channels->bytes_received() : 0;
  const uint64_t consumed = loaded_->cache().counters().consumed_bytes;
  // Whoever waits for the disk need not be awake for the other ranks or the
  // team: the time that this takes passes while the disk reads.
  const bool disk_bound = IsDiskBound(runner_->times());
  const absl::Duration polling = disk_bound ? kIdlePolling : kPassPolling;
  if (channels) channels->set_polling_time(PollingTime(polling));
  team_->set_spin(loaded_->setup().options.may_poll && !disk_bound);
  const kernels::ThreadTeam::Pass awake(*team_);
  const absl::Status status = runner_->Run(pass, residual, logits);
  if (channels) channels->set_polling_time(PollingTime(kIdlePolling));
  if (!status.ok()) return Fail(status);
  CountPass(pass, {sent, received, consumed, begin});
  return absl::OkStatus();
}

void RankEngine::CountPass(const parallel::Pass& pass, const Marks& before) {
  const auto channels = Channels();
  const memory::CacheCounters counters = loaded_->cache().counters();
  const PassTimes& times = runner_->times();
  const uint64_t sent = channels ? channels->bytes_sent() : 0;
  const uint64_t received = channels ? channels->bytes_received() : 0;
  base::MutexLock lock(mutex_);
  report_.read_bytes = counters.bytes_read;
  ++report_.all.passes;
  report_.all.tokens += pass.token_count();
  report_.all.compute += times.compute;
  report_.all.stall += times.stall;
  report_.all.wait += times.wait;
  report_.all.exchange += times.exchange;
  report_.all.sent_bytes += sent - before.sent_bytes;
  report_.all.received_bytes += received - before.received_bytes;
  const std::optional<absl::Time> last_end = std::exchange(decoded_, {});
  // A single token of a prompt that is cut finely is no decode pass: it has
  // no logits.
  if (pass.token_count() != 1 || pass.logits_count() != 1) return;
  decoded_ = absl::Now();
  // The first decode pass only marks where counting begins.
  if (decode_pass_count_++ == 0) return;
  ++report_.decode_passes;
  report_.decode_read_bytes += counters.consumed_bytes - before.consumed_bytes;
  report_.compute += times.compute;
  report_.stall += times.stall;
  report_.wait += times.wait;
  report_.exchange += times.exchange;
  const auto waited_for = runner_->waited_for();
  for (size_t r = 0; r < waited_for.size(); ++r) {
    report_.waited_for[r] += waited_for[r];
  }
  // Between two tokens rank 0 chooses the next, and the others wait for it.
  if (last_end) {
    const bool is_first = loaded_->setup().rank == 0;
    (is_first ? report_.compute : report_.wait) += before.time - *last_end;
  }
  report_.sent_bytes += sent - before.sent_bytes;
  report_.received_bytes += received - before.received_bytes;
}

absl::Status RankEngine::Fail(const absl::Status& status) {
  absl::Status why = status;
  {
    base::MutexLock lock(mutex_);
    // An abort is the reason; what it provoked is not.
    if (!aborted_.ok()) why = aborted_;
    if (aborted_.ok()) aborted_ = status;
  }
  const auto channels = Channels();
  if (channels != nullptr) {
    const absl::Time deadline = absl::Now() + kFarewellTimeout;
    for (const uint32_t peer : channels->peers()) {
      channels->To(peer).SendAbort(why, deadline).IgnoreError();
    }
    channels->Abort(why);
  }
  return why;
}

void RankEngine::Abort(absl::Status why) {
  SHOAL_CHECK(!why.ok());
  base::MutexLock lock(mutex_);
  if (aborted_.ok()) aborted_ = why;
  stops_ = true;
  if (channels_ != nullptr) channels_->Abort(aborted_);
}

void RankEngine::Unload() {
  runner_.reset();
  {
    base::MutexLock lock(mutex_);
    channels_.reset();
    trace_.reset();
    aborted_ = absl::OkStatus();
    stops_ = false;
  }
  network_.reset();
  watch_.reset();
  wish_.reset();
  loaded_.reset();
}

parallel::RankReport RankEngine::Report() const {
  parallel::RankReport report;
  {
    // A pass that ends waits for no files.
    base::MutexLock lock(mutex_);
    report = report_;
  }
  const auto memory = memory::ReadProcessMemory();
  if (memory.ok()) {
    report.peak_rss_bytes = memory->peak_rss_bytes;
    report.rss_bytes = memory->rss_bytes;
  }
  report.health = sensors_.Sample();
  return report;
}

base::TraceRecorder::Part RankEngine::Trace(uint64_t first,
                                            uint32_t count_max) const {
  std::shared_ptr<base::TraceRecorder> trace;
  {
    base::MutexLock lock(mutex_);
    trace = trace_;
  }
  if (trace == nullptr) return {};
  return trace->Copy(first, count_max);
}

}  // namespace shoal::worker
