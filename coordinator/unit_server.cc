#include "coordinator/unit_server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "model/gguf_external.h"

namespace shoal::coordinator {

// The right to hold one unit in memory; the bytes last as long.
class UnitServer::Buffer {
 public:
  Buffer(UnitServer& server, uint64_t bytes) : server_(server) {
    {
      base::MutexLock lock(server_.mutex_);
      while (server_.readers_ >= kReaderCountMax) {
        server_.changed_.Wait(server_.mutex_);
      }
      ++server_.readers_;
    }
    // Not zeroed: the source writes all of it.
    bytes_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    view_ = {bytes_.get(), bytes};
  }
  ~Buffer() {
    bytes_.reset();
    base::MutexLock lock(server_.mutex_);
    --server_.readers_;
    server_.changed_.NotifyAll();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::span<std::byte> view() const { return view_; }

 private:
  UnitServer& server_;
  std::unique_ptr<std::byte[]> bytes_;
  std::span<std::byte> view_;
};

absl::StatusOr<std::unique_ptr<UnitServer>> UnitServer::Open(
    const std::string& path, const std::string& model_id,
    const model::UnitTable& table, std::string digest_directory,
    const std::optional<model::GgufExternal>& external) {
  SHOAL_ASSIGN_OR_RETURN(auto source, model::UnitSource::Open(path));
  SHOAL_ASSIGN_OR_RETURN(FileIdentity identity,
                         FileIdentity::Of(path, model_id));
  const auto unit_count = static_cast<uint32_t>(table.units().size());
  UnitDigests digests =
      digest_directory.empty()
          ? UnitDigests(unit_count)
          : LoadDigests(digest_directory, identity, unit_count);
  std::vector<bool> is_external;
  if (external) {
    is_external.resize(unit_count);
    for (uint32_t i = 0; i < unit_count; ++i) {
      is_external[i] = model::IsExternal(*external, table.unit(i));
      if (is_external[i]) digests[i] = external->digests[i];
    }
  }
  return std::unique_ptr<UnitServer>(new UnitServer(
      std::move(source), table, std::move(digest_directory),
      std::move(identity), std::move(digests), std::move(is_external)));
}

UnitServer::UnitServer(std::unique_ptr<model::UnitSource> source,
                       const model::UnitTable& table,
                       std::string digest_directory, FileIdentity identity,
                       UnitDigests digests, std::vector<bool> is_external)
    : source_(std::move(source)),
      table_(table),
      digest_directory_(std::move(digest_directory)),
      identity_(std::move(identity)),
      is_external_(std::move(is_external)),
      digests_(std::move(digests)) {}

absl::Status UnitServer::Fetch(
    std::span<const Item> items,
    absl::FunctionRef<absl::Status(const Unit&)> sink) {
  for (const Item& item : items) {
    SHOAL_RETURN_IF_ERROR(FetchOne(item, sink));
  }
  return absl::OkStatus();
}

absl::Status UnitServer::FetchOne(
    const Item& item, absl::FunctionRef<absl::Status(const Unit&)> sink) {
  if (item.unit_index >= table_.units().size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("unit ", item.unit_index, " was asked for; the model has ",
                     table_.units().size()));
  }
  Unit unit;
  unit.unit_index = item.unit_index;
  if (item.have) {
    base::MutexLock lock(mutex_);
    unit.unchanged = digests_[item.unit_index] == item.have;
  }
  if (unit.unchanged) {
    unit.digest = *item.have;
    return sink(unit);
  }
  const model::UnitLayout& layout = table_.unit(item.unit_index);
  if (!is_external_.empty() && is_external_[item.unit_index]) {
    return absl::FailedPreconditionError(absl::StrCat(
        "unit ", item.unit_index, " (", base::ToString(layout.spec.id),
        ") is not in this device's store, and its ", layout.spec.bytes,
        " bytes are not in the model file, which is external; give the stores "
        "that were made with the file (--store), to as many devices, in the "
        "same order and with the same shares"));
  }
  const Buffer buffer(*this, layout.spec.bytes);
  SHOAL_RETURN_IF_ERROR(source_->Read(layout, buffer.view()));
  bytes_read_ += layout.spec.bytes;
  unit.digest = base::DigestOf(buffer.view());
  {
    base::MutexLock lock(mutex_);
    digests_changed_ |= digests_[item.unit_index] != unit.digest;
    digests_[item.unit_index] = unit.digest;
  }
  unit.unchanged = item.have == unit.digest;
  if (!unit.unchanged) {
    unit.canonical = buffer.view();
    bytes_served_ += layout.spec.bytes;
  }
  return sink(unit);
}

void UnitServer::SaveDigests() {
  if (digest_directory_.empty()) return;
  UnitDigests digests;
  {
    base::MutexLock lock(mutex_);
    if (!digests_changed_) return;
    digests_changed_ = false;
    digests = digests_;
  }
  const absl::Status saved =
      coordinator::SaveDigests(digest_directory_, identity_, digests);
  if (!saved.ok()) {
    SHOAL_LOG(kWarning, saved.message(),
              "; the next start reads the model again to confirm stores");
  }
}

}  // namespace shoal::coordinator
