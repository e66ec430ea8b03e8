#include "cli/synth_stores.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cli/store_root.h"
#include "coordinator/placement.h"
#include "kernels/kernel_table.h"
#include "memory/file_system.h"
#include "memory/weight_store.h"
#include "model/gguf_encode.h"
#include "model/gguf_external.h"
#include "model/gguf_writer.h"
#include "model/unit_source.h"
#include "worker/hub_units.h"
#include "worker/unit_install.h"

namespace shoal::cli {
namespace {

// No device is short of memory here: shares alone decide.
constexpr uint64_t kAmpleBytes = uint64_t{1} << 50;

// The model as an external file: what is in it first.
struct ExternalModel {
  model::GgufMetadata metadata;            // without the keys of the marking
  std::vector<model::GgufTensor> tensors;  // laid out
  size_t inline_count = 0;
  model::GgufExternal external;
  std::unique_ptr<coordinator::ModelFile> file;  // as it will be read
};

// Vectors, routers and the embedding are read by the coordinator or kept by
// every hub; they are small, or must be there.
bool IsInline(const model::GgufTensor& tensor) {
  return tensor.dims.size() == 1 || tensor.name == "token_embd.weight" ||
         tensor.type == kernels::WeightType::kF32;
}

// The file's header as it would be read, with the digests known so far.
absl::StatusOr<std::unique_ptr<coordinator::ModelFile>> FileOf(
    const ExternalModel& model, const std::string& path, bool is_whole) {
  model::GgufMetadata metadata = model.metadata;
  if (!is_whole) model::AddExternal(model.external, metadata);
  const std::string bytes = model::EncodeGgufHeader(
      {.metadata = &metadata, .tensors = model.tensors});
  SHOAL_ASSIGN_OR_RETURN(
      model::GgufHeader header,
      model::GgufHeader::Parse(
          std::as_bytes(std::span(bytes)),
          bytes.size() + (is_whole ? model.external.data_bytes
                                   : model.external.inline_bytes),
          path));
  return coordinator::ModelFile::FromHeader(path, std::move(header));
}

absl::StatusOr<ExternalModel> ExternalModelOf(const model::SynthModel& synth,
                                              const std::string& path) {
  ExternalModel model;
  model.metadata = synth.metadata();
  model.tensors = synth.tensors();
  const auto external =
      std::stable_partition(model.tensors.begin(), model.tensors.end(),
                            [](const auto& t) { return IsInline(t); });
  model.inline_count = static_cast<size_t>(external - model.tensors.begin());
  model.external.data_bytes =
      model::LayOutTensors(model.metadata, model.tensors);
  const model::GgufTensor& last = model.tensors[model.inline_count - 1];
  model.external.inline_bytes = last.offset + last.bytes;
  // The grid hangs on shapes alone, and the size of the header on the number
  // of units: so the file's offsets are known before its digests.
  SHOAL_ASSIGN_OR_RETURN(model.file, FileOf(model, path, /*is_whole=*/true));
  model.external.grid = model::GridNameOf(model.file->table);
  model.external.digests.assign(model.file->units.size(), {~0ull, ~0ull});
  SHOAL_ASSIGN_OR_RETURN(model.file, FileOf(model, path, /*is_whole=*/false));
  return model;
}

// The units of a synthetic model. Threads: thread-safe.
class SynthUnits final : public parallel::UnitFetcher {
 public:
  // All are borrowed; digests go to model.external.
  SynthUnits(const model::SynthModel& synth, ExternalModel& model)
      : synth_(synth), file_(*model.file), digests_(model.external.digests) {
    for (const model::GgufTensor& tensor : file_.header.tensors()) {
      tensors_.push_back({tensor.offset, tensor.offset + tensor.bytes,
                          synth.IndexOf(tensor.name)});
    }
  }

  absl::Status Fetch(
      std::span<const Item> items,
      absl::FunctionRef<absl::Status(const Unit&)> sink) override {
    std::vector<std::byte> buffer;
    for (const Item& item : items) {
      const model::UnitLayout& layout = file_.table.unit(item.unit_index);
      buffer.resize(layout.spec.bytes);
      const Tensor* tensor = tensors_.data();  // of the last read, mostly
      SHOAL_RETURN_IF_ERROR(model::ReadUnit(
          layout,
          [&](uint64_t offset, std::span<std::byte> to) {
            if (offset < tensor->begin || offset >= tensor->end) {
              tensor = &TensorAt(offset);
            }
            synth_.Fill(tensor->idx, offset - tensor->begin, to);
            return absl::OkStatus();
          },
          buffer));
      Unit unit;
      unit.unit_index = item.unit_index;
      unit.digest = base::DigestOf(buffer);
      unit.unchanged = item.have == unit.digest;
      if (!unit.unchanged) unit.canonical = buffer;
      {
        base::MutexLock lock(mutex_);
        digests_[item.unit_index] = unit.digest;
      }
      SHOAL_RETURN_IF_ERROR(sink(unit));
    }
    return absl::OkStatus();
  }

 private:
  struct Tensor {
    uint64_t begin = 0;  // in the file
    uint64_t end = 0;
    size_t idx = 0;  // of the synthetic model
  };

  const Tensor& TensorAt(uint64_t offset) const {
    const auto after = std::upper_bound(
        tensors_.begin(), tensors_.end(), offset,
        [](uint64_t at, const Tensor& tensor) { return at < tensor.begin; });
    SHOAL_CHECK(after != tensors_.begin(), offset);
    return *(after - 1);
  }

  const model::SynthModel& synth_;
  const coordinator::ModelFile& file_;
  std::vector<Tensor> tensors_;  // ascending
  base::Mutex mutex_;
  std::vector<base::Digest>& digests_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<parallel::Plan> PlanOf(const SynthStoresOptions& options,
                                      const coordinator::ModelFile& file) {
  coordinator::PlanOptions plan;
  plan.run.context_positions = 1;
  plan.shares = options.shares;
  if (plan.shares.empty()) plan.shares.assign(options.device_names.size(), 1);
  std::vector<parallel::DeviceProfile> devices;
  for (const std::string& name : options.device_names) {
    parallel::DeviceProfile& device = devices.emplace_back();
    device.name = name;
    device.budget_bytes = kAmpleBytes;
  }
  return coordinator::PlanModel(file, std::move(devices), plan);
}

// Writes the stores of all ranks, several at a time.
class StoreWriter {
 public:
  // All are borrowed. Share bytes are counted for progress.
  StoreWriter(const SynthStoresOptions& options,
              const coordinator::ModelFile& file, const parallel::Plan& plan,
              const kernels::KernelTable& kernels)
      : options_(options), file_(file), kernels_(kernels) {
    for (uint32_t rank = 0; rank < plan.rank_count(); ++rank) {
      std::vector<uint32_t> units =
          worker::HubUnits::IndicesOf(plan, rank, file.table);
      const std::vector<uint32_t> own = plan.UnitsOf(rank);
      units.insert(units.end(), own.begin(), own.end());
      std::sort(units.begin(), units.end());
      for (const uint32_t index : units) {
        total_bytes_ += file.table.unit(index).spec.bytes;
      }
      units_.push_back(std::move(units));
    }
  }

  // Errors: kResourceExhausted  the disk has less room than that
  absl::Status CheckRoom() const {
    std::error_code error;
    std::filesystem::create_directories(options_.root, error);
    const absl::StatusOr<uint64_t> free =
        memory::FileSystem::Real().FreeBytes(options_.root);
    // A part may be there already; then it is known only while writing.
    if (!free.ok() || *free >= total_bytes_ || HasStores()) {
      return absl::OkStatus();
    }
    return absl::ResourceExhaustedError(absl::StrCat(
        "the stores take ", base::FormatByteSize(total_bytes_),
        ", the disk of ", options_.root, " has ", base::FormatByteSize(*free),
        " left; free some, or give another --stores DIR"));
  }

  absl::Status Write(parallel::UnitFetcher& fetcher,
                     model::SynthProgress progress) {
    const size_t count = std::min<size_t>(
        std::max(std::thread::hardware_concurrency(), 1u), units_.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < count; ++i) {
      threads.emplace_back([&] {
        for (size_t rank = next_++; rank < units_.size(); rank = next_++) {
          const absl::Status written = WriteRank(rank, fetcher, progress);
          base::MutexLock lock(mutex_);
          status_.Update(written);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    base::MutexLock lock(mutex_);
    return status_;
  }

 private:
  std::string StoreOf(size_t rank) const {
    return DeviceStore(options_.root, options_.device_names[rank]);
  }

  bool HasStores() const {
    std::error_code error;
    for (size_t rank = 0; rank < units_.size(); ++rank) {
      const std::string model =
          absl::StrCat(StoreOf(rank), "/", file_.description.id);
      if (std::filesystem::exists(model, error)) return true;
    }
    return false;
  }

  absl::Status WriteRank(size_t rank, parallel::UnitFetcher& fetcher,
                         model::SynthProgress progress) {
    memory::WeightStore::Options options;
    options.directory = StoreOf(rank);
    memory::StoreKey key;
    key.model_id = file_.description.id;
    key.model_name = file_.description.name;
    key.layout_id = static_cast<uint32_t>(kernels_.layout);
    key.units = file_.units;
    SHOAL_ASSIGN_OR_RETURN(
        const auto store,
        memory::WeightStore::Open(std::move(options), std::move(key)));
    uint64_t seen_bytes = 0;
    return worker::InstallUnits(file_.table, units_[rank], kernels_.layout,
                                *store, fetcher,
                                [&](const parallel::LoadProgress& load) {
                                  base::MutexLock lock(mutex_);
                                  done_bytes_ += load.bytes_done - seen_bytes;
                                  seen_bytes = load.bytes_done;
                                  progress(done_bytes_, total_bytes_);
                                })
        .status();
  }

  const SynthStoresOptions& options_;
  const coordinator::ModelFile& file_;
  const kernels::KernelTable& kernels_;
  std::vector<std::vector<uint32_t>> units_;  // by rank, ascending
  uint64_t total_bytes_ = 0;
  std::atomic<size_t> next_ = 0;
  base::Mutex mutex_;
  uint64_t done_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // the first failure
};

// Two devices of one folder would be one.
absl::Status CheckNames(const SynthStoresOptions& options) {
  std::set<std::string> folders;
  for (const std::string& name : options.device_names) {
    if (folders.insert(DeviceStore(options.root, name)).second) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "two devices are called ", name, "; each store needs its own name"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SynthesizeStores(const SynthStoresOptions& options,
                              model::SynthProgress progress) {
  SHOAL_RETURN_IF_ERROR(CheckNames(options));
  SHOAL_ASSIGN_OR_RETURN(const kernels::KernelTable* kernels,
                         kernels::SelectKernels(options.isa));
  SHOAL_ASSIGN_OR_RETURN(const model::SynthModel synth,
                         model::SynthModel::Create(options.model));
  SHOAL_ASSIGN_OR_RETURN(ExternalModel model,
                         ExternalModelOf(synth, options.model.path));
  SHOAL_ASSIGN_OR_RETURN(const parallel::Plan plan,
                         PlanOf(options, *model.file));
  StoreWriter writer(options, *model.file, plan, *kernels);
  SHOAL_RETURN_IF_ERROR(writer.CheckRoom());
  SynthUnits units(synth, model);
  SHOAL_RETURN_IF_ERROR(writer.Write(units, progress));
  model::AddExternal(model.external, model.metadata);
  return model::WriteExternalGgufFile(
      options.model.path, model.metadata, model.tensors, model.inline_count,
      [&](const model::GgufTensor& tensor, uint64_t offset_bytes,
          std::span<std::byte> chunk) {
        synth.Fill(synth.IndexOf(tensor.name), offset_bytes, chunk);
        return absl::OkStatus();
      });
}

}  // namespace shoal::cli
