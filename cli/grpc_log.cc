#include "cli/grpc_log.h"

#include "base/log.h"
#include "grpc/support/log.h"

namespace shoal::cli {

void TakeGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    SHOAL_LOG(kDebug, "grpc: ", line->message);
  });
}

}  // namespace shoal::cli
