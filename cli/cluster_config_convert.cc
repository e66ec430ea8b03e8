#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"
#include "cli/flag_values.h"
#include "cli/flags_where.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"
#include "proto/cluster_config.pb.h"

namespace shoal::cli {
namespace {

using google::protobuf::Message;
using google::protobuf::TextFormat;

// Keeps the first error.
class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(const std::string& path) : path_(path) {}

  void AddError(int line, int column, const std::string& message) override {
    if (!text_.empty()) return;
    text_ = line < 0 ? absl::StrCat(path_, ": ", message)
                     : absl::StrCat(path_, ":", line + 1, ":", column + 1, ": ",
                                    message);
  }

  const std::string& text() const { return text_; }

 private:
  const std::string path_;
  std::string text_;
};

// Converts one message and its children; errors carry their place in the file.
class Converter {
 public:
  Converter(std::string path, const TextFormat::ParseInfoTree& places)
      : path_(std::move(path)), places_(places) {}

  absl::StatusOr<ClusterConfig> Convert(const proto::ClusterConfig& from);

 private:
  // "file:line:column: message" at a field; `tree` is that of its message.
  absl::Status At(const TextFormat::ParseInfoTree* tree, const Message& message,
                  const std::string& field, absl::string_view text,
                  int index = -1) const;
  // Sets by the setter of a flag unless the text is empty.
  absl::Status Set(const TextFormat::ParseInfoTree* tree,
                   const Message& message, const std::string& field,
                   const std::string& text, const Command::Setter& set) const;
  absl::StatusOr<ClusterDevice> ConvertDevice(
      const proto::DeviceConfig& from, const TextFormat::ParseInfoTree* tree,
      bool is_first) const;
  absl::Status ConvertDevices(const proto::ClusterConfig& from,
                              ClusterConfig& to) const;
  absl::Status ConvertShares(const proto::ClusterConfig& from,
                             ClusterConfig& to) const;
  absl::Status ConvertModel(const proto::ModelConfig& from,
                            const TextFormat::ParseInfoTree* tree,
                            ClusterConfig& to) const;
  std::string Resolve(const std::string& file) const;
  const TextFormat::ParseInfoTree* TreeOf(const Message& message,
                                          const std::string& field,
                                          int index) const {
    return places_.GetTreeForNested(
        message.GetDescriptor()->FindFieldByName(field), index);
  }

  const std::string path_;
  const TextFormat::ParseInfoTree& places_;
};

absl::Status Converter::At(const TextFormat::ParseInfoTree* tree,
                           const Message& message, const std::string& field,
                           absl::string_view text, int index) const {
  std::string where = path_;
  if (tree != nullptr) {
    const TextFormat::ParseLocation place = tree->GetLocation(
        message.GetDescriptor()->FindFieldByName(field), index);
    if (place.line >= 0) {
      absl::StrAppend(&where, ":", place.line + 1, ":", place.column + 1);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", field, ": ", text));
}

absl::Status Converter::Set(const TextFormat::ParseInfoTree* tree,
                            const Message& message, const std::string& field,
                            const std::string& text,
                            const Command::Setter& set) const {
  if (text.empty()) return absl::OkStatus();
  const absl::Status status = set(text);
  if (status.ok()) return status;
  return At(tree, message, field,
            absl::StrCat("'", text, "': ", status.message()));
}

std::string Converter::Resolve(const std::string& file) const {
  if (file.empty() || file[0] == '/') return file;
  return (std::filesystem::path(path_).parent_path() / file)
      .lexically_normal()
      .string();
}

absl::StatusOr<ClusterDevice> Converter::ConvertDevice(
    const proto::DeviceConfig& from, const TextFormat::ParseInfoTree* tree,
    bool is_first) const {
  ClusterDevice to;
  to.name = from.name();
  to.local = from.local() || is_first;
  to.threads = from.threads();
  to.store = Resolve(from.store());
  SHOAL_RETURN_IF_ERROR(
      Set(tree, from, "ram_cap", from.ram_cap(), SetBytes(&to.ram_cap_bytes)));
  SHOAL_RETURN_IF_ERROR(Set(tree, from, "disk_cap", from.disk_cap(),
                            SetBytes(&to.disk_cap_bytes)));
  constexpr uint32_t kThreadsMax = 256;
  if (to.threads > kThreadsMax) {
    return At(tree, from, "threads",
              absl::StrCat(to.threads, ": it must be at most ", kThreadsMax));
  }
  const bool has_caps = !from.ram_cap().empty() || !from.disk_cap().empty() ||
                        from.threads() > 0 || !from.store().empty();
  if (!to.local && has_caps) {
    return At(tree, from, "name",
              absl::StrCat(to.name,
                           " is elsewhere: ram_cap, disk_cap, threads "
                           "and store are flags of its own shoal "
                           "worker"));
  }
  return to;
}

absl::Status Converter::ConvertDevices(const proto::ClusterConfig& from,
                                       ClusterConfig& to) const {
  if (from.devices_size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        path_, ": devices: there must be at least one, the coordinator"));
  }
  std::set<std::string> names;
  for (int i = 0; i < from.devices_size(); ++i) {
    const proto::DeviceConfig& device = from.devices(i);
    if (device.name().empty()) {
      return At(&places_, from, "devices", "a device without a name", i);
    }
    if (!names.insert(device.name()).second) {
      return At(&places_, from, "devices",
                absl::StrCat("two devices are named ", device.name()), i);
    }
    SHOAL_ASSIGN_OR_RETURN(
        ClusterDevice converted,
        ConvertDevice(device, TreeOf(from, "devices", i), i == 0));
    to.devices.push_back(std::move(converted));
  }
  return absl::OkStatus();
}

absl::Status Converter::ConvertShares(const proto::ClusterConfig& from,
                                      ClusterConfig& to) const {
  bool any = false;
  for (const proto::DeviceConfig& device : from.devices()) {
    any = any || device.share() != 0;
  }
  if (!any) return absl::OkStatus();
  for (int i = 0; i < from.devices_size(); ++i) {
    const proto::DeviceConfig& device = from.devices(i);
    if (!to.devices[i].local) {
      return At(&places_, from, "devices",
                absl::StrCat("shares need all devices to be local; ",
                             device.name(), " is elsewhere"),
                i);
    }
    if (!(device.share() >= 0 &&
          device.share() <= std::numeric_limits<float>::max())) {
      return At(TreeOf(from, "devices", i), device, "share",
                "it must be 0 or more");
    }
    to.how.shares.push_back(device.share());
  }
  return absl::OkStatus();
}

absl::Status Converter::ConvertModel(const proto::ModelConfig& from,
                                     const TextFormat::ParseInfoTree* tree,
                                     ClusterConfig& to) const {
  to.model_file = Resolve(from.file());
  // The file's words mean what those of the flags do.
  Command flags("cluster", "");
  AddHowFlags(flags, to.how);
  const auto number = [](uint32_t value) {
    return value == 0 ? std::string() : absl::StrCat(value);
  };
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"ctx", number(from.ctx())},         {"chunk", number(from.chunk())},
      {"weights", from.weights()},         {"parallel", from.parallel()},
      {"payload", from.payload()},         {"collective", from.collective()},
      {"activations", from.activations()}, {"kv", from.kv()},
      {"transport", from.transport()},     {"head", from.head()}};
  for (const auto& [field, text] : fields) {
    SHOAL_RETURN_IF_ERROR(
        Set(tree, from, field, text, [&](const std::string& value) {
          return flags.Set(absl::StrCat("--", field), value);
        }));
  }
  return absl::OkStatus();
}

absl::StatusOr<ClusterConfig> Converter::Convert(
    const proto::ClusterConfig& from) {
  ClusterConfig to;
  to.name = from.name();
  to.token_file = Resolve(from.token_file());
  to.insecure = from.insecure();
  if (!from.listen().empty()) {
    to.listen = from.listen();
    if (const auto address = ParseHostPort(to.listen); !address.ok()) {
      return At(&places_, from, "listen", address.status().message());
    }
  }
  SHOAL_RETURN_IF_ERROR(Set(&places_, from, "join_timeout", from.join_timeout(),
                            SetDuration(&to.join_timeout)));
  SHOAL_RETURN_IF_ERROR(Set(&places_, from, "data_timeout", from.data_timeout(),
                            SetDuration(&to.how.data_timeout)));
  SHOAL_RETURN_IF_ERROR(ConvertDevices(from, to));
  SHOAL_RETURN_IF_ERROR(ConvertShares(from, to));
  SHOAL_RETURN_IF_ERROR(
      ConvertModel(from.model(), TreeOf(from, "model", -1), to));
  for (const ClusterDevice& device : to.devices) {
    if (!device.local && from.listen().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path_, ": listen: it is missing, but the device ", device.name,
          " is elsewhere and must know where to join"));
    }
  }
  return to;
}

}  // namespace

absl::StatusOr<ClusterConfig> ParseClusterConfig(const std::string& text,
                                                 const std::string& path) {
  proto::ClusterConfig message;
  TextFormat::Parser parser;
  FirstError error(path);
  TextFormat::ParseInfoTree places;
  parser.RecordErrorsTo(&error);
  parser.WriteLocationsTo(&places);
  google::protobuf::io::ArrayInputStream stream(text.data(),
                                                static_cast<int>(text.size()));
  if (!parser.Parse(&stream, &message)) {
    return absl::InvalidArgumentError(error.text());
  }
  return Converter(path, places).Convert(message);
}

absl::StatusOr<ClusterConfig> ReadClusterConfig(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat(path, ": the cluster file cannot be opened"));
  }
  constexpr size_t kFileBytesMax = size_t{1} << 20;
  std::string text;
  text.assign(std::istreambuf_iterator<char>(file), {});
  if (text.size() > kFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", text.size(),
                     " bytes; a cluster file has at most ", kFileBytesMax));
  }
  return ParseClusterConfig(text, path);
}

}  // namespace shoal::cli
