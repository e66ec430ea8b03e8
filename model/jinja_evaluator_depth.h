// Counts how deep an Evaluator is inside of itself.

#ifndef SHOAL_MODEL_JINJA_EVALUATOR_DEPTH_H_
#define SHOAL_MODEL_JINJA_EVALUATOR_DEPTH_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/jinja_evaluator.h"

namespace shoal::model::jinja {

// Work of each expression and statement, so that no loop is endless.
inline constexpr uint64_t kStepWork = 64;

class Evaluator::Depth {
 public:
  explicit Depth(Evaluator& evaluator) : depth_(evaluator.depth_) { ++depth_; }
  ~Depth() { --depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

  bool ok() const { return depth_ <= kDepthMax; }
  absl::Status status() const {
    return absl::ResourceExhaustedError(
        absl::StrCat("macros and expressions inside of each other more than ",
                     kDepthMax, " deep; so many are allowed"));
  }

 private:
  int& depth_;
};

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_EVALUATOR_DEPTH_H_
