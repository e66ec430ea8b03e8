#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"
#include "cli/cluster_parse_error.h"
#include "cli/flag_values.h"
#include "cli/flags_where.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"
#include "proto/cluster_config.pb.h"

namespace shoal::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;
using Places = TextFormat::ParseInfoTree;
using Setters = std::map<std::string, Command::Setter>;

constexpr uint32_t kThreadsMax = 256;
constexpr uint32_t kExpectMax = 255;
constexpr uint32_t kPortMax = 65535;
constexpr size_t kNameBytesMax = 64;

Command::Setter SetSwitch(bool* to) {
  return [to](const std::string& text) {
    *to = text == "true";
    return absl::OkStatus();
  };
}

Command::Setter SetNumber(std::optional<double>* to, double max,
                          bool zero_is_allowed) {
  return [=](const std::string& text) -> absl::Status {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !(value >= 0) || !(value <= max) ||
        (value == 0 && !zero_is_allowed)) {
      return absl::InvalidArgumentError(
          absl::StrCat("it must be ", zero_is_allowed ? "0 or more" : "above 0",
                       max <= 1 ? " and at most 1" : ""));
    }
    *to = value;
    return absl::OkStatus();
  };
}

Command::Setter SetAddress(std::string* to) {
  return [to](const std::string& text) {
    *to = text;
    return ParseHostPort(text).status();
  };
}

Command::Setter SetWord(std::string* to) {
  return [to](const std::string& text) -> absl::Status {
    if (text.empty() || text[0] == '-' ||
        text.find_first_of(" \t\n\r") != std::string::npos) {
      return absl::InvalidArgumentError(
          "it must be one word that does not begin with -");
    }
    *to = text;
    return absl::OkStatus();
  };
}

Command::Setter SetName(std::string* to) {
  return [to](const std::string& text) -> absl::Status {
    if (text.empty() || text.size() > kNameBytesMax || text[0] == '-' ||
        text.find_first_of("/\n\r\t") != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          "it must be 1 to ", kNameBytesMax,
          " bytes of text without / and line breaks, and not begin with -"));
    }
    *to = text;
    return absl::OkStatus();
  };
}

std::string TextOf(const Message& message, const FieldDescriptor* field) {
  const auto* access = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return access->GetString(message, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return access->GetBool(message, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(access->GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(access->GetDouble(message, field));
    default:
      SHOAL_CHECK(false, "a type that no cluster file has: ",
                  std::string(field->cpp_type_name()));
      return "";
  }
}

// Converts one message and its children; errors carry their place in the file.
class Converter {
 public:
  Converter(std::string path, const Places& places)
      : path_(std::move(path)), places_(places) {}

  absl::StatusOr<ClusterConfig> Convert(const proto::ClusterConfig& from);

 private:
  // "file:line:column: field: text"; `tree` is that of the field's message.
  absl::Status At(const Places* tree, const Message& message,
                  const std::string& field, absl::string_view text,
                  int index = -1) const;
  // Gives every scalar field that the file has to the setter of its name, and
  // notes it as `prefix` and the name.
  absl::Status Take(const Message& from, const Places* tree,
                    const std::string& prefix, const Setters& setters);
  Command::Setter SetFile(std::string* to) const {
    return [this, to](const std::string& text) -> absl::Status {
      if (text.empty()) return absl::InvalidArgumentError("it must be a path");
      *to = Resolve(text);
      return absl::OkStatus();
    };
  }
  absl::StatusOr<ClusterDevice> ConvertDevice(const proto::DeviceConfig& from,
                                              const Places* tree,
                                              bool is_first);
  absl::Status CheckDevice(const proto::DeviceConfig& from, const Places* tree,
                           const ClusterDevice& device) const;
  absl::Status ConvertDevices(const proto::ClusterConfig& from,
                              ClusterConfig& to);
  absl::Status CheckShares(const proto::ClusterConfig& from,
                           const ClusterConfig& to) const;
  absl::Status ConvertModel(const proto::ModelConfig& from, const Places* tree,
                            ClusterConfig& to);
  absl::Status CheckWhole(const proto::ClusterConfig& from,
                          const ClusterConfig& to) const;
  std::string Resolve(const std::string& file) const;
  static int LineOf(const Places* tree, const FieldDescriptor* field,
                    int index) {
    return tree == nullptr ? 0 : tree->GetLocation(field, index).line + 1;
  }
  const Places* TreeOf(const Message& message, const std::string& field,
                       int index) const {
    return places_.GetTreeForNested(
        message.GetDescriptor()->FindFieldByName(field), index);
  }

  const std::string path_;
  const Places& places_;
  std::vector<ClusterSetting> settings_;
};

absl::Status Converter::At(const Places* tree, const Message& message,
                           const std::string& field, absl::string_view text,
                           int index) const {
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

absl::Status Converter::Take(const Message& from, const Places* tree,
                             const std::string& prefix,
                             const Setters& setters) {
  const auto* descriptor = from.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const auto setter = setters.find(field->name());
    SHOAL_CHECK(setter != setters.end(), "no setter for ", field->name());
    const int line = LineOf(tree, field, -1);
    if (line <= 0) continue;
    const std::string text = TextOf(from, field);
    if (const absl::Status status = setter->second(text); !status.ok()) {
      return At(tree, from, field->name(),
                absl::StrCat("'", text, "': ", status.message()));
    }
    settings_.push_back({absl::StrCat(prefix, field->name()), text, line});
  }
  return absl::OkStatus();
}

std::string Converter::Resolve(const std::string& file) const {
  if (file.empty() || file[0] == '/') return file;
  return (std::filesystem::path(path_).parent_path() / file)
      .lexically_normal()
      .string();
}

absl::StatusOr<ClusterDevice> Converter::ConvertDevice(
    const proto::DeviceConfig& from, const Places* tree, bool is_first) {
  ClusterDevice to;
  SHOAL_RETURN_IF_ERROR(Take(
      from, tree, absl::StrCat("devices[", from.name(), "]."),
      {{"name", SetName(&to.name)},
       {"local", SetSwitch(&to.local)},
       {"ram_cap", SetBytes(&to.ram_cap_bytes)},
       {"disk_cap", SetBytes(&to.disk_cap_bytes)},
       {"threads", SetUint(&to.threads, 1, kThreadsMax)},
       {"store", SetText(&to.store)},
       {"share", SetNumber(&to.share, std::numeric_limits<float>::max(), true)},
       {"address", SetWord(&to.address)},
       {"ssh_user", SetWord(&to.ssh_user)},
       {"ssh_port", SetUint(&to.ssh_port, 1, kPortMax)},
       {"max_share", SetNumber(&to.max_share, 1, false)},
       {"optional", SetSwitch(&to.optional)},
       {"program", SetWord(&to.program)}}));
  to.local = to.local || is_first;
  // Of a device elsewhere it is a folder there.
  if (to.local) to.store = Resolve(to.store);
  SHOAL_RETURN_IF_ERROR(CheckDevice(from, tree, to));
  return to;
}

absl::Status Converter::CheckDevice(const proto::DeviceConfig& from,
                                    const Places* tree,
                                    const ClusterDevice& device) const {
  if (device.local && !device.address.empty()) {
    return At(tree, from, "address",
              absl::StrCat("'", device.address, "': ", device.name,
                           " is on this machine (the first device, or local: "
                           "true); leave out the one or the other"));
  }
  const bool has_caps = device.ram_cap_bytes > 0 || device.disk_cap_bytes > 0 ||
                        device.threads > 0 || !device.store.empty();
  if (!device.local && device.address.empty() && has_caps) {
    return At(tree, from, "name",
              absl::StrCat("'", device.name,
                           "': it is elsewhere and without an address, so it "
                           "is started by hand: ram_cap, disk_cap, threads "
                           "and store are flags of its own shoal worker"));
  }
  if (device.address.empty() &&
      (!device.ssh_user.empty() || device.ssh_port > 0 ||
       !device.program.empty())) {
    return At(tree, from, "name",
              absl::StrCat("'", device.name,
                           "': ssh_user, ssh_port and program need an "
                           "address"));
  }
  return absl::OkStatus();
}

absl::Status Converter::ConvertDevices(const proto::ClusterConfig& from,
                                       ClusterConfig& to) {
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
    if (i == 0 && converted.optional) {
      return At(TreeOf(from, "devices", 0), device, "optional",
                absl::StrCat("'true': ", converted.name,
                             ", the first, is the coordinator"));
    }
    to.devices.push_back(std::move(converted));
  }
  return absl::OkStatus();
}

absl::Status Converter::CheckShares(const proto::ClusterConfig& from,
                                    const ClusterConfig& to) const {
  size_t with_share = 0;
  double max_sum = 0;
  for (const ClusterDevice& device : to.devices) {
    if (device.share) ++with_share;
    max_sum += device.max_share.value_or(1);
  }
  if (!to.devices.empty() && max_sum < 1 - 1e-9) {
    return At(&places_, from, "devices",
              absl::StrCat("max_share of all devices together is ", max_sum,
                           ", so some of the model would lie nowhere; it must "
                           "be 1 or more"),
              0);
  }
  if (with_share == 0) return absl::OkStatus();
  for (size_t i = 0; i < to.devices.size(); ++i) {
    if (to.devices[i].share) continue;
    return At(&places_, from, "devices",
              absl::StrCat(to.devices[i].name,
                           " has no share, but others have; give one to all "
                           "devices or to none"),
              static_cast<int>(i));
  }
  return absl::OkStatus();
}

absl::Status Converter::ConvertModel(const proto::ModelConfig& from,
                                     const Places* tree, ClusterConfig& to) {
  // The file's words mean what those of the flags do.
  Command flags("cluster", "");
  AddHowFlags(flags, to.how);
  Setters setters = {{"file", SetFile(&to.model_file)}};
  for (const char* field :
       {"ctx", "chunk", "weights", "parallel", "payload", "collective",
        "activations", "kv", "transport", "head"}) {
    setters[field] = [&flags, field](const std::string& text) {
      return flags.Set(absl::StrCat("--", field), text);
    };
  }
  return Take(from, tree, "model.", setters);
}

absl::Status Converter::CheckWhole(const proto::ClusterConfig& from,
                                   const ClusterConfig& to) const {
  if (to.expect > 0 && !to.devices.empty()) {
    return At(&places_, from, "expect",
              absl::StrCat("'", to.expect,
                           "': the devices are listed, and all of them are "
                           "waited for but those with optional: true"));
  }
  if (!from.listen().empty()) return absl::OkStatus();
  for (const ClusterDevice& device : to.devices) {
    if (!device.local) {
      return absl::InvalidArgumentError(absl::StrCat(
          path_, ": listen: it is missing, but the device ", device.name,
          " is elsewhere and must know where to join; write listen: "
          "\"HOST:PORT\" with an address of this machine"));
    }
  }
  if (to.devices.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path_,
        ": listen: it is missing, and so are devices: there must be an address "
        "(HOST:PORT) where workers join, or devices of this machine"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ClusterConfig> Converter::Convert(
    const proto::ClusterConfig& from) {
  ClusterConfig to;
  to.path = path_;
  to.name = std::filesystem::path(path_).stem().string();
  SHOAL_RETURN_IF_ERROR(
      Take(from, &places_, "",
           {{"name", SetName(&to.name)},
            {"listen", SetAddress(&to.listen)},
            {"join_timeout", SetDuration(&to.join_timeout)},
            {"data_timeout", SetDuration(&to.how.data_timeout)},
            {"token_file", SetFile(&to.token_file)},
            {"insecure", SetSwitch(&to.insecure)},
            {"coordinator_computes", SetSwitch(&to.coordinator_computes)},
            {"secrets", SetFile(&to.secrets)},
            {"trusted_lan", SetSwitch(&to.trusted_lan)},
            {"expect", SetUint(&to.expect, 1, kExpectMax)},
            {"ssh_config", SetFile(&to.ssh_config)}}));
  SHOAL_RETURN_IF_ERROR(ConvertDevices(from, to));
  SHOAL_RETURN_IF_ERROR(CheckShares(from, to));
  SHOAL_RETURN_IF_ERROR(
      ConvertModel(from.model(), TreeOf(from, "model", -1), to));
  SHOAL_RETURN_IF_ERROR(CheckWhole(from, to));
  to.settings = std::move(settings_);
  return to;
}

}  // namespace

absl::StatusOr<ClusterConfig> ParseClusterConfig(const std::string& text,
                                                 const std::string& path) {
  proto::ClusterConfig message;
  TextFormat::Parser parser;
  ClusterParseError error(path, text);
  Places places;
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
