#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/model_verbs.h"
#include "cli/table.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "model/unit_table.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

using base::FormatByteSize;

struct InspectFlags {
  std::string model;
  bool tensors = false;
  bool metadata = false;
  bool json = false;
};

struct UnitGroup {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

constexpr const char* KindName(base::UnitKind kind) {
  switch (kind) {
    case base::UnitKind::kHub:
      return "hub";
    case base::UnitKind::kAttention:
      return "attention";
    case base::UnitKind::kFfn:
      return "ffn";
    case base::UnitKind::kExpert:
      return "expert";
    case base::UnitKind::kHead:
      return "head";
  }
  return "?";
}

// What `inspect` tells; printed as lines or as JSON.
struct Facts {
  std::string file, name, family;
  uint32_t gguf_version = 0;
  uint64_t file_bytes = 0;
  std::map<std::string, UnitGroup> types;  // tensors by weight type
  // Why this build cannot run the file; the fields below are empty then.
  std::string unsupported;
  uint32_t layers = 0, hidden = 0, vocabulary = 0, trained_context = 0;
  uint32_t heads = 0, kv_heads = 0, ffn_width = 0;
  uint64_t kv_elements_per_position = 0;
  std::map<base::UnitKind, UnitGroup> units;
  std::vector<std::string> remarks;
  std::string tokenizer;  // or why there is none
};

void AddSpec(const model::ModelSpec& spec, Facts& facts) {
  facts.layers = spec.layer_count();
  facts.hidden = spec.hidden;
  facts.vocabulary = spec.vocabulary;
  facts.trained_context = spec.trained_context;
  facts.remarks = spec.remarks;
  for (const model::PhaseSpec& phase : spec.layers[0].phases) {
    if (phase.attention) {
      facts.heads = phase.attention->head_count;
      facts.kv_heads = phase.attention->kv_head_count;
    }
    if (phase.ffn) facts.ffn_width = phase.ffn->width;
  }
}

absl::Status AddUnits(const model::GgufHeader& header, Facts& facts) {
  SHOAL_ASSIGN_OR_RETURN(const model::ModelSpec spec,
                         model::LoadModelSpec(header));
  SHOAL_ASSIGN_OR_RETURN(const model::UnitTable table,
                         model::UnitTable::Create(spec, header));
  AddSpec(spec, facts);
  for (const model::UnitLayout& unit : table.units()) {
    UnitGroup& group = facts.units[unit.spec.id.kind];
    ++group.count;
    group.bytes += unit.spec.bytes;
    facts.kv_elements_per_position += unit.spec.kv_elements;
  }
  return absl::OkStatus();
}

absl::StatusOr<Facts> FactsOf(const model::GgufHeader& header) {
  Facts facts;
  facts.file = header.source();
  facts.gguf_version = header.version();
  facts.file_bytes = header.file_size();
  SHOAL_ASSIGN_OR_RETURN(auto name, header.FindString("general.name"));
  SHOAL_ASSIGN_OR_RETURN(auto family,
                         header.FindString("general.architecture"));
  facts.name = name.value_or("");
  facts.family = family.value_or("");
  for (const model::GgufTensor& tensor : header.tensors()) {
    UnitGroup& group =
        facts.types[std::string(kernels::InfoOf(tensor.type).name)];
    ++group.count;
    group.bytes += tensor.bytes;
  }
  if (const absl::Status status = AddUnits(header, facts); !status.ok()) {
    facts.unsupported = std::string(status.message());
  }
  const auto tokenizer = model::Tokenizer::Create(header);
  facts.tokenizer =
      tokenizer.ok()
          ? header.FindString("tokenizer.ggml.model").value().value_or("")
          : absl::StrCat("not supported: ",
                         std::string(tokenizer.status().message()));
  return facts;
}

nlohmann::json ToJson(const Facts& facts) {
  nlohmann::json json = {{"file", facts.file},
                         {"name", facts.name},
                         {"family", facts.family},
                         {"gguf_version", facts.gguf_version},
                         {"file_bytes", facts.file_bytes},
                         {"tokenizer", facts.tokenizer},
                         {"supported", facts.unsupported.empty()}};
  for (const auto& [type, group] : facts.types) {
    json["types"][type] = {{"tensors", group.count}, {"bytes", group.bytes}};
  }
  if (!facts.unsupported.empty()) {
    json["reason"] = facts.unsupported;
    return json;
  }
  json["layers"] = facts.layers;
  json["hidden"] = facts.hidden;
  json["heads"] = facts.heads;
  json["kv_heads"] = facts.kv_heads;
  json["ffn_width"] = facts.ffn_width;
  json["vocabulary"] = facts.vocabulary;
  json["trained_context"] = facts.trained_context;
  json["kv_elements_per_position"] = facts.kv_elements_per_position;
  for (const auto& [kind, group] : facts.units) {
    json["units"][KindName(kind)] = {{"count", group.count},
                                     {"bytes", group.bytes}};
  }
  json["remarks"] = facts.remarks;
  return json;
}

void PrintFacts(const Facts& facts) {
  Table table({"file", facts.file});
  const auto add = [&](std::string key, std::string value) {
    table.AddRow({std::move(key), std::move(value)});
  };
  add("name", facts.name.empty() ? "(none)" : facts.name);
  add("family", facts.family);
  add("format", absl::StrCat("GGUF ", facts.gguf_version, ", ",
                             FormatByteSize(facts.file_bytes)));
  for (const auto& [type, group] : facts.types) {
    add(type,
        absl::StrCat(group.count, " tensors, ", FormatByteSize(group.bytes)));
  }
  add("tokenizer", facts.tokenizer);
  if (facts.unsupported.empty()) {
    add("layers", absl::StrCat(facts.layers));
    add("hidden", absl::StrCat(facts.hidden));
    add("heads",
        absl::StrCat(facts.heads, ", of keys and values ", facts.kv_heads));
    add("ffn width", absl::StrCat(facts.ffn_width));
    add("vocabulary", absl::StrCat(facts.vocabulary));
    add("trained context", absl::StrCat(facts.trained_context));
    add("kv", absl::StrCat(FormatByteSize(2 * facts.kv_elements_per_position),
                           " per position in F16"));
    for (const auto& [kind, group] : facts.units) {
      add(absl::StrCat(KindName(kind), " units"),
          absl::StrCat(group.count, ", ", FormatByteSize(group.bytes)));
    }
    for (const std::string& remark : facts.remarks) add("remark", remark);
  } else {
    add("not supported", facts.unsupported);
  }
  std::fputs(table.Text().c_str(), stdout);
}

void PrintTensors(const model::GgufHeader& header) {
  Table table({"tensor", "type", "shape", "bytes", "offset"});
  table.AlignRight(3);
  table.AlignRight(4);
  for (const model::GgufTensor& tensor : header.tensors()) {
    table.AddRow({tensor.name, std::string(kernels::InfoOf(tensor.type).name),
                  absl::StrJoin(tensor.dims, " x "), absl::StrCat(tensor.bytes),
                  absl::StrCat(tensor.offset)});
  }
  std::printf("\n%s", table.Text().c_str());
}

std::string ValueText(const model::GgufValue& value) {
  constexpr size_t kTextBytesMax = 120;
  return std::visit(
      [&](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          return v ? "true" : "false";
        } else if constexpr (std::is_same_v<T, model::GgufArray>) {
          return std::visit(
              [](const auto& array) {
                return absl::StrCat("[", array.size(), " values]");
              },
              v);
        } else if constexpr (std::is_same_v<T, std::string>) {
          std::string text = v.substr(0, kTextBytesMax);
          for (char& c : text) {
            if (static_cast<unsigned char>(c) < ' ') c = ' ';
          }
          return text.size() < v.size() ? absl::StrCat(text, " ...") : text;
        } else {
          return absl::StrCat(v);
        }
      },
      value);
}

absl::Status Inspect(const InspectFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const model::GgufHeader header,
                         model::GgufHeader::ReadFile(flags.model));
  SHOAL_ASSIGN_OR_RETURN(const Facts facts, FactsOf(header));
  if (flags.json) {
    // Names may hold bytes that are no UTF-8.
    std::printf("%s\n", ToJson(facts)
                            .dump(2, ' ', false,
                                  nlohmann::json::error_handler_t::replace)
                            .c_str());
    return absl::OkStatus();
  }
  PrintFacts(facts);
  if (flags.metadata) {
    Table table({"key", "value"});
    for (const auto& [key, value] : header.metadata()) {
      table.AddRow({key, ValueText(value)});
    }
    std::printf("\n%s", table.Text().c_str());
  }
  if (flags.tensors) PrintTensors(header);
  return absl::OkStatus();
}

}  // namespace

void AddModelInspectVerb(Command& model) {
  Command& verb =
      model.AddVerb("inspect", "What a model file holds, and whether it runs");
  auto flags = std::make_shared<InspectFlags>();
  verb.AddFlag({.names = "FILE", .help = "The model, a GGUF file"},
               SetText(&flags->model));
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, as with other verbs"},
               SetText(&flags->model));
  verb.AddSwitch({.names = "--metadata", .help = "List all metadata"},
                 &flags->metadata);
  verb.AddSwitch({.names = "--tensors", .help = "List all tensors"},
                 &flags->tensors);
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.SetCheck([flags] {
    return flags->model.empty()
               ? absl::InvalidArgumentError("the model FILE is missing")
               : absl::OkStatus();
  });
  verb.SetRunner([flags] { return Inspect(*flags); });
}

}  // namespace shoal::cli
