// A team of threads that shares the ranges of a loop.

#ifndef SHOAL_KERNELS_THREAD_TEAM_H_
#define SHOAL_KERNELS_THREAD_TEAM_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"

namespace shoal::kernels {

// Threads: Run() is called by one thread at a time; that thread takes part.
// Numerics: tasks must write disjoint outputs; then the number of members and
// the order of tasks cannot show in the result.
// Memory: reserved by Create(); Run() does not allocate.
class ThreadTeam {
 public:
  struct Options {
    uint32_t member_count = 1;  // 1 to kMemberCountMax, the caller included
    // Whether members may wait for work by spinning. Turn it off where the
    // threads of all processes here outnumber the cores: whoever spins then
    // holds up one that computes.
    bool spin = true;
    // Cores that the members and the caller keep to; empty: any. The system
    // moves them among these: a member bound to one core could not get away
    // from another program that takes it.
    std::vector<uint32_t> cores = {};
  };

  // While it lives, members that wait for the next Run() stay awake for longer.
  // For a walk through a model, in which one Run() follows another.
  class Pass {
   public:
    explicit Pass(ThreadTeam& team) : team_(team) { team_.BeginPass(); }
    ~Pass() { team_.EndPass(); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    ThreadTeam& team_;
  };

  virtual ~ThreadTeam() = default;

  virtual uint32_t member_count() const = 0;

  // Calls task(i, member) once for each i in [0, task_count), member in
  // [0, member_count()), and returns when all are done. Each member begins
  // with a range of its own and then helps with those of others, one task at a
  // time; the caller waits for no member that has not begun. One that lost its
  // core within a task is left out for a while, and longer each time. A team of
  // one calls the tasks in order without synchronisation.
  virtual void Run(uint32_t task_count,
                   absl::FunctionRef<void(uint32_t, uint32_t)> task) = 0;

  // As Options::spin. REQUIRES: no Run().
  virtual void set_spin(bool spin) = 0;

  // How often a member was left out so far.
  virtual uint64_t late_count() const = 0;
  // Members that are not left out; the next Run() may let more in.
  // REQUIRES: no Run().
  virtual uint32_t active_count() const = 0;

  // The implementation of this build: std::thread, or OpenMP, which knows
  // neither spin nor cores and leaves nobody out.
  static std::unique_ptr<ThreadTeam> Create(const Options& options);
  static std::unique_ptr<ThreadTeam> Create(uint32_t member_count);
  static constexpr uint32_t kMemberCountMax = 256;

 protected:
  virtual void BeginPass() = 0;
  virtual void EndPass() = 0;
};

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_THREAD_TEAM_H_
