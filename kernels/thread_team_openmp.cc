// The team on OpenMP. The runtime owns the threads and their waiting: libgomp
// spins for milliseconds after each loop unless OMP_WAIT_POLICY=passive is in
// the environment at start, which a program cannot set for itself. Measured on
// two cores with a loop every millisecond: 1.2 ms of processor time a round,
// of which 0.04 are work; the team of thread_team.cc takes 0.05.

#include <omp.h>

#include "base/check.h"
#include "kernels/thread_team.h"

namespace shoal::kernels {
namespace {

class OpenMpTeam final : public ThreadTeam {
 public:
  explicit OpenMpTeam(uint32_t member_count) : member_count_(member_count) {}

  uint32_t member_count() const override { return member_count_; }

  void Run(uint32_t task_count,
           absl::FunctionRef<void(uint32_t, uint32_t)> task) override {
    if (member_count_ == 1 || task_count <= 1) {
      for (uint32_t i = 0; i < task_count; ++i) task(i, 0);
      return;
    }
    const int threads = static_cast<int>(member_count_);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (uint32_t i = 0; i < task_count; ++i) {
      task(i, static_cast<uint32_t>(omp_get_thread_num()));
    }
  }

  void set_spin(bool /*spin*/) override {}
  uint64_t late_count() const override { return 0; }
  uint32_t active_count() const override { return member_count_; }

 protected:
  void BeginPass() override {}
  void EndPass() override {}

 private:
  const uint32_t member_count_;
};

}  // namespace

std::unique_ptr<ThreadTeam> ThreadTeam::Create(const Options& options) {
  SHOAL_CHECK(
      options.member_count >= 1 && options.member_count <= kMemberCountMax,
      options.member_count, " members");
  return std::make_unique<OpenMpTeam>(options.member_count);
}

std::unique_ptr<ThreadTeam> ThreadTeam::Create(uint32_t member_count) {
  return Create(Options{.member_count = member_count});
}

}  // namespace shoal::kernels
