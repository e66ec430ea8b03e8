// The service of shoal doctor and shoal logs. Thin: it converts.

#include "coordinator/fleet_examiner.h"
#include "coordinator/services.h"
#include "grpcpp/server_context.h"
#include "proto/diagnostics.grpc.pb.h"

namespace shoal::coordinator {
namespace {

proto::Severity ToProto(health::Severity severity) {
  switch (severity) {
    case health::Severity::kPass:
      return proto::SEVERITY_PASS;
    case health::Severity::kWarn:
      return proto::SEVERITY_WARN;
    case health::Severity::kFail:
      return proto::SEVERITY_FAIL;
  }
  return proto::SEVERITY_UNSPECIFIED;
}

class DiagnosticsService final : public proto::Diagnostics::Service {
 public:
  DiagnosticsService(FleetExaminer& examiner, const std::string& token)
      : examiner_(examiner), token_(token) {}

  grpc::Status Examine(grpc::ServerContext* context,
                       const proto::ExamineRequest* request,
                       proto::ExamineReply* reply) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    const auto devices = examiner_.Examine(request->device());
    if (!devices.ok()) return ToGrpc(devices.status());
    for (const DeviceFindings& device : *devices) {
      proto::ExamineReply::Device& to = *reply->add_devices();
      to.set_name(device.name);
      for (const health::Finding& finding : device.findings) {
        proto::Finding& added = *to.add_findings();
        added.set_severity(ToProto(finding.severity));
        added.set_check(finding.check);
        added.set_value(finding.value);
        added.set_expected(finding.expected);
        added.set_fix(finding.fix);
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status ReadLogs(grpc::ServerContext* context,
                        const proto::ReadLogsRequest* request,
                        proto::ReadLogsReply* reply) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    return ToGrpc(examiner_.ReadLogs(*request, *reply));
  }

 private:
  FleetExaminer& examiner_;
  const std::string token_;
};

}  // namespace

ServicePtr MakeDiagnosticsService(FleetExaminer& examiner,
                                  const std::string& token) {
  return ServicePtr(new DiagnosticsService(examiner, token));
}

}  // namespace shoal::coordinator
