// A team of threads that shares the ranges of a loop.

#ifndef SHOAL_KERNELS_THREAD_TEAM_H_
#define SHOAL_KERNELS_THREAD_TEAM_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"

namespace shoal::kernels {

// Threads: Run() is called by one thread at a time; that thread takes part.
// Numerics: tasks must write disjoint outputs; then the number of members and
// the order of tasks cannot show in the result.
class ThreadTeam {
 public:
  virtual ~ThreadTeam() = default;

  virtual uint32_t member_count() const = 0;

  // Calls task(i, member) once for each i in [0, task_count), member in
  // [0, member_count()), and returns when all are done. Tasks are handed out
  // one by one. A team of one calls them in order without synchronisation.
  virtual void Run(uint32_t task_count,
                   absl::FunctionRef<void(uint32_t, uint32_t)> task) = 0;

  // The implementation of this build: OpenMP, or std::thread without it.
  // REQUIRES: 1 <= member_count <= kMemberCountMax.
  static std::unique_ptr<ThreadTeam> Create(uint32_t member_count);
  static constexpr uint32_t kMemberCountMax = 256;
};

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_THREAD_TEAM_H_
