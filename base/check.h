// SHOAL_CHECK: stops the process on a bug of ours, in release builds too.
//
// Only for what our own code must guarantee. What a file, a peer, a flag or a
// user said is never CHECKed: that is an absl::Status.

#ifndef SHOAL_BASE_CHECK_H_
#define SHOAL_BASE_CHECK_H_

#include <string>

#include "absl/base/optimization.h"
#include "absl/strings/str_cat.h"

namespace shoal::base {

// Writes "file:line: check failed: condition: message" and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& message);

}  // namespace shoal::base

// Further arguments are joined into the message, as absl::StrCat does.
#define SHOAL_CHECK(condition, ...)          \
  (ABSL_PREDICT_TRUE(condition)              \
       ? static_cast<void>(0)                \
       : ::shoal::base::CheckFailed(         \
             __FILE__, __LINE__, #condition, \
             ::absl::StrCat("" __VA_OPT__(, ) __VA_ARGS__)))

#ifdef NDEBUG
#define SHOAL_DCHECK(condition, ...) static_cast<void>(0)
#else
#define SHOAL_DCHECK(condition, ...) SHOAL_CHECK(condition, __VA_ARGS__)
#endif

#endif  // SHOAL_BASE_CHECK_H_
