#include "worker/traced_file.h"

#include <utility>

namespace shoal::worker {
namespace {

class TracedFile final : public memory::BlockFile {
 public:
  TracedFile(std::unique_ptr<memory::BlockFile> file,
             base::TraceRecorder& recorder)
      : file_(std::move(file)), recorder_(recorder) {}

  absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) override {
    const base::TraceScope scope(
        &recorder_, {.bytes = to.size(), .kind = base::TraceKind::kRead});
    return file_->ReadAt(offset, to);
  }

  void Register(std::span<std::byte> memory) override {
    file_->Register(memory);
  }
  void Unregister(std::span<std::byte> memory) override {
    file_->Unregister(memory);
  }
  uint64_t alignment() const override { return file_->alignment(); }
  absl::string_view engine() const override { return file_->engine(); }
  absl::string_view path() const override { return file_->path(); }

 private:
  const std::unique_ptr<memory::BlockFile> file_;
  base::TraceRecorder& recorder_;
};

}  // namespace

std::unique_ptr<memory::BlockFile> TraceReads(
    std::unique_ptr<memory::BlockFile> file, base::TraceRecorder& recorder) {
  return std::make_unique<TracedFile>(std::move(file), recorder);
}

}  // namespace shoal::worker
