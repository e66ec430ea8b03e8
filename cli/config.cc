#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"
#include "cli/cluster_find.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

struct CheckFlags {
  std::string file;
  bool json = false;
};

struct ExplainFlags {
  std::string file;
  bool json = false;
  // The flags that `run` has, too, as they were given: "--ctx" to "256".
  std::map<std::string, std::string> given;
  HowFlags how;
  Command how_verb{"how", ""};
};

struct Effective {
  std::string field;
  std::string value;
  std::string source;  // "FILE:LINE", "--ctx", "default"
};

std::string CountText(size_t count, const char* one, const char* many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

absl::Status Check(const CheckFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const std::string file, ClusterFileOf(flags.file));
  SHOAL_ASSIGN_OR_RETURN(const ClusterConfig config, ReadClusterConfig(file));
  if (flags.json) {
    nlohmann::json devices = nlohmann::json::array();
    for (const ClusterDevice& device : config.devices) {
      devices.push_back(device.name);
    }
    const nlohmann::json object = {{"file", file},
                                   {"name", config.name},
                                   {"listen", config.listen},
                                   {"model", config.model_file},
                                   {"devices", devices}};
    std::printf(
        "%s\n",
        object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
            .c_str());
    return absl::OkStatus();
  }
  std::printf(
      "%s: OK: fleet %s, %s, %s\n", file.c_str(), config.name.c_str(),
      config.devices.empty()
          ? "any device that joins"
          : CountText(config.devices.size(), "device", "devices").c_str(),
      config.model_file.empty() ? "no model" : config.model_file.c_str());
  return absl::OkStatus();
}

// Of one field, whose path in the file is `path`.
Effective EffectiveOf(const ExplainFlags& flags, const std::string& file,
                      const ClusterConfig& config, const ClusterField& field,
                      std::string path) {
  Effective result{std::move(path), std::string(field.fallback), "default"};
  for (const ClusterSetting& setting : config.settings) {
    if (setting.path != result.field) continue;
    result.value = setting.value;
    result.source = absl::StrCat(file, ":", setting.line);
  }
  const auto given = flags.given.find(std::string(field.flag));
  if (!field.flag.empty() && given != flags.given.end()) {
    result.value = given->second;
    result.source = given->first;
  }
  return result;
}

std::vector<Effective> AllOf(const ExplainFlags& flags, const std::string& file,
                             const ClusterConfig& config) {
  std::vector<Effective> all;
  const auto add = [&](const ClusterField& field, const std::string& path) {
    all.push_back(EffectiveOf(flags, file, config, field, path));
  };
  for (const ClusterField& field : ClusterFields()) {
    const bool of_device = absl::StartsWith(field.path, "devices.");
    if (of_device || field.path == "model") continue;
    if (field.path != "devices") {
      add(field, std::string(field.path));
    } else if (config.devices.empty()) {
      add(field, "devices");
    }
    for (const ClusterDevice& device : config.devices) {
      if (field.path != "devices") break;
      for (const ClusterField& inner : ClusterFields()) {
        absl::string_view name = inner.path;
        if (!absl::ConsumePrefix(&name, "devices.") || name == "name") continue;
        add(inner, absl::StrCat("devices[", device.name, "].", name));
        // The first is, without being called so.
        if (name == "local") all.back().value = device.local ? "true" : "false";
      }
    }
  }
  return all;
}

absl::Status Explain(const ExplainFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const std::string file, ClusterFileOf(flags.file));
  SHOAL_ASSIGN_OR_RETURN(const ClusterConfig config, ReadClusterConfig(file));
  const std::vector<Effective> all = AllOf(flags, file, config);
  if (flags.json) {
    nlohmann::json fields = nlohmann::json::array();
    for (const Effective& field : all) {
      fields.push_back({{"field", field.field},
                        {"value", field.value},
                        {"source", field.source}});
    }
    const nlohmann::json object = {{"file", file}, {"fields", fields}};
    std::printf(
        "%s\n",
        object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
            .c_str());
    return absl::OkStatus();
  }
  Table table({"field", "value", "from"});
  for (const Effective& field : all) {
    table.AddRow({field.field, field.value, field.source});
  }
  std::fputs(table.Text().c_str(), stdout);
  return absl::OkStatus();
}

void AddFileArgument(Command& verb, std::string* to) {
  verb.AddFlag({.names = "FILE",
                .help = "A cluster file ($SHOAL_CLUSTER, or the only "
                        "*.textproto here)"},
               SetText(to));
}

void AddCheckVerb(Command& config) {
  Command& verb = config.AddVerb("check", "Whether a cluster file is right");
  auto flags = std::make_shared<CheckFlags>();
  AddFileArgument(verb, &flags->file);
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.SetDetails("Example:\n  shoal config check home.textproto");
  verb.SetRunner([flags] { return Check(*flags); });
}

void AddConfigExplainVerb(Command& config) {
  Command& verb = config.AddVerb(
      "explain", "Every value of a cluster file, and where it comes from");
  auto flags = std::make_shared<ExplainFlags>();
  AddFileArgument(verb, &flags->file);
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  AddHowFlags(flags->how_verb, flags->how);
  for (FlagSpec spec : flags->how_verb.flags()) {
    const std::string name = spec.Name();
    verb.AddFlag(std::move(spec),
                 [flags = flags.get(), name](const std::string& text) {
                   flags->given[name] = text;
                   return flags->how_verb.Set(name, text);
                 });
  }
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file"},
               [flags](const std::string& text) {
                 flags->given["--model"] = text;
                 return absl::OkStatus();
               });
  verb.SetDetails(
      "A value comes from a flag, else from a line of the file, else it is "
      "the\n"
      "default. Flags are given as to run.\n\n"
      "Example:\n  shoal config explain home.textproto --ctx 2048");
  verb.SetRunner([flags] { return Explain(*flags); });
}

}  // namespace

void AddConfigVerb(Command& root) {
  Command& config = root.AddVerb("config", "Looks at cluster files");
  AddCheckVerb(config);
  AddConfigExplainVerb(config);
}

}  // namespace shoal::cli
