// What gRPC has to say.

#ifndef SHOAL_CLI_GRPC_LOG_H_
#define SHOAL_CLI_GRPC_LOG_H_

namespace shoal::cli {

// gRPC's lines on standard error (a port in use, a peer gone) become lines of
// our log, level debug: we say these things ourselves, in one line. Call it
// before the first use of gRPC.
void TakeGrpcLog();

}  // namespace shoal::cli

#endif  // SHOAL_CLI_GRPC_LOG_H_
