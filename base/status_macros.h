// Macros that pass an absl::Status up the call chain.

#ifndef SHOAL_BASE_STATUS_MACROS_H_
#define SHOAL_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SHOAL_MACRO_CONCAT_INNER(a, b) a##b
#define SHOAL_MACRO_CONCAT(a, b) SHOAL_MACRO_CONCAT_INNER(a, b)

// Returns the status of `expr` from the calling function unless it is OK.
// The name is unique, because `expr` may hold a lambda that uses this too.
#define SHOAL_RETURN_IF_ERROR(expr)                                           \
  SHOAL_RETURN_IF_ERROR_INNER(SHOAL_MACRO_CONCAT(shoal_status_, __COUNTER__), \
                              expr)

#define SHOAL_RETURN_IF_ERROR_INNER(tmp, expr)            \
  do {                                                    \
    if (absl::Status tmp = (expr); !tmp.ok()) return tmp; \
  } while (false)

// Assigns the value of the StatusOr `expr` to `lhs`, or returns its status.
#define SHOAL_ASSIGN_OR_RETURN(lhs, expr)                                  \
  SHOAL_ASSIGN_OR_RETURN_INNER(SHOAL_MACRO_CONCAT(shoal_or_, __COUNTER__), \
                               lhs, expr)

#define SHOAL_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) return tmp.status();                \
  lhs = *std::move(tmp)

#endif  // SHOAL_BASE_STATUS_MACROS_H_
