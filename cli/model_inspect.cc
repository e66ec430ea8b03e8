#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/model_facts.h"
#include "cli/model_verbs.h"
#include "cli/table.h"
#include "model/gguf.h"
#include "nlohmann/json.hpp"
#include "parallel/memory_need.h"
#include "parallel/rank.h"

namespace shoal::cli {
namespace {

using base::FormatByteSize;
using parallel::KvFormat;

struct InspectFlags {
  std::string model;
  bool tensors = false;
  bool metadata = false;
  bool json = false;
};

const char* TemplateState(ModelFacts::Template state) {
  switch (state) {
    case ModelFacts::Template::kNone:
      return "none";
    case ModelFacts::Template::kWorks:
      return "works";
    case ModelFacts::Template::kFails:
      return "fails";
  }
  return "?";
}

// Of one position, all layers together.
uint64_t KvBytes(const ModelFacts& facts, KvFormat format) {
  return parallel::KvBytes(format, facts.kv_elements_per_position,
                           facts.kv_blocks_per_position);
}

nlohmann::json ToJson(const ModelFacts& facts) {
  nlohmann::json json = {{"file", facts.file},
                         {"name", facts.name},
                         {"family", facts.family},
                         {"gguf_version", facts.gguf_version},
                         {"file_count", facts.file_count},
                         {"file_bytes", facts.file_bytes},
                         {"tokenizer", facts.tokenizer},
                         {"end_tokens", facts.end_tokens},
                         {"chat_template",
                          {{"state", TemplateState(facts.chat_template)},
                           {"text", facts.template_text}}},
                         {"supported", facts.unsupported.empty()},
                         {"unsupported", facts.unsupported}};
  for (const auto& [type, group] : facts.types) {
    json["types"][type] = {{"tensors", group.count}, {"bytes", group.bytes}};
  }
  json["external"] = {{"tensors", facts.external.count},
                      {"bytes", facts.external.bytes}};
  if (facts.needs.empty()) return json;
  json["layers"] = facts.layers;
  json["hidden"] = facts.hidden;
  json["heads"] = facts.heads;
  json["kv_heads"] = facts.kv_heads;
  json["ffn_width"] = facts.ffn_width;
  json["experts"] = facts.experts;
  json["experts_used"] = facts.experts_used;
  json["vocabulary"] = facts.vocabulary;
  json["trained_context"] = facts.trained_context;
  json["kv_elements_per_position"] = facts.kv_elements_per_position;
  json["kv_bytes_per_position"] = {{"f32", KvBytes(facts, KvFormat::kF32)},
                                   {"f16", KvBytes(facts, KvFormat::kF16)},
                                   {"q8", KvBytes(facts, KvFormat::kQ8)}};
  for (const auto& [kind, group] : facts.units) {
    json["units"][KindName(kind)] = {{"count", group.count},
                                     {"bytes", group.bytes}};
  }
  json["context"] = facts.context;
  for (const DeviceNeed& need : facts.needs) {
    json["devices"].push_back(
        {{"devices", need.devices},
         {"share_bytes", need.share_bytes},
         {"floor_stream_bytes", need.floor_stream_bytes},
         {"floor_resident_bytes", need.floor_resident_bytes}});
  }
  json["remarks"] = facts.remarks;
  return json;
}

void AddShape(const ModelFacts& facts, Table& table) {
  const auto add = [&](std::string key, std::string value) {
    table.AddRow({std::move(key), std::move(value)});
  };
  add("layers", absl::StrCat(facts.layers));
  add("hidden", absl::StrCat(facts.hidden));
  add("heads",
      absl::StrCat(facts.heads, ", of keys and values ", facts.kv_heads));
  if (facts.ffn_width > 0) add("ffn width", absl::StrCat(facts.ffn_width));
  if (facts.experts > 0) {
    add("experts", absl::StrCat(facts.experts, ", of which each token takes ",
                                facts.experts_used));
  }
  add("vocabulary", absl::StrCat(facts.vocabulary));
  add("trained context", facts.trained_context == 0
                             ? "(the file does not say)"
                             : absl::StrCat(facts.trained_context));
  add("kv",
      absl::StrCat(FormatByteSize(KvBytes(facts, KvFormat::kF16)),
                   " per position in f16, ",
                   FormatByteSize(KvBytes(facts, KvFormat::kQ8)), " in q8"));
  for (const auto& [kind, group] : facts.units) {
    add(absl::StrCat(KindName(kind), " units"),
        absl::StrCat(group.count, ", ", FormatByteSize(group.bytes)));
  }
  for (const std::string& remark : facts.remarks) add("remark", remark);
}

void PrintNeeds(const ModelFacts& facts) {
  Table table(
      {"devices", "weights each", "least memory, streamed", "all in memory"});
  for (size_t c = 0; c < 4; ++c) table.AlignRight(c);
  for (const DeviceNeed& need : facts.needs) {
    table.AddRow({absl::StrCat(need.devices), FormatByteSize(need.share_bytes),
                  FormatByteSize(need.floor_stream_bytes),
                  FormatByteSize(need.floor_resident_bytes)});
  }
  std::printf("\nFor equal devices and a context of %u:\n%s", facts.context,
              table.Text().c_str());
}

void PrintFacts(const ModelFacts& facts) {
  Table table({"file", facts.file});
  const auto add = [&](std::string key, std::string value) {
    table.AddRow({std::move(key), std::move(value)});
  };
  add("name", facts.name.empty() ? "(none)" : facts.name);
  add("family", facts.family);
  add("format",
      absl::StrCat("GGUF ", facts.gguf_version, ", ",
                   FormatByteSize(facts.file_bytes),
                   facts.file_count > 1
                       ? absl::StrCat(" in ", facts.file_count, " files")
                       : ""));
  for (const auto& [type, group] : facts.types) {
    add(type,
        absl::StrCat(group.count, " tensors, ", FormatByteSize(group.bytes)));
  }
  if (facts.external.count > 0) {
    add("external", absl::StrCat(facts.external.count, " of them, ",
                                 FormatByteSize(facts.external.bytes),
                                 ", are not in the file: devices must have "
                                 "them in their stores"));
  }
  add("tokenizer", facts.tokenizer);
  add("ends with", absl::StrJoin(facts.end_tokens, " "));
  switch (facts.chat_template) {
    case ModelFacts::Template::kNone:
      add("chat template", "none; run and chat go on with the text as it is");
      break;
    case ModelFacts::Template::kWorks:
      add("chat template",
          absl::StrCat("works: ", absl::Utf8SafeCEscape(facts.template_text)));
      break;
    case ModelFacts::Template::kFails:
      add("chat template",
          absl::StrCat("cannot be used (--raw does without it): ",
                       facts.template_text));
  }
  if (!facts.needs.empty()) AddShape(facts, table);
  for (const std::string& reason : facts.unsupported) {
    add("not supported", reason);
  }
  std::fputs(table.Text().c_str(), stdout);
  if (!facts.needs.empty()) PrintNeeds(facts);
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

void PrintMetadata(const model::GgufHeader& header) {
  Table table({"key", "value"});
  for (const auto& [key, value] : header.metadata()) {
    table.AddRow({key, ValueText(value)});
  }
  std::printf("\n%s", table.Text().c_str());
}

absl::Status Inspect(const InspectFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const model::GgufHeader header,
                         model::GgufHeader::ReadFile(flags.model));
  SHOAL_ASSIGN_OR_RETURN(const ModelFacts facts, FactsOf(flags.model, header));
  if (flags.json) {
    // Names may hold bytes that are no UTF-8.
    std::printf("%s\n", ToJson(facts)
                            .dump(2, ' ', false,
                                  nlohmann::json::error_handler_t::replace)
                            .c_str());
  } else {
    PrintFacts(facts);
    if (flags.metadata) PrintMetadata(header);
    if (flags.tensors) PrintTensors(header);
  }
  if (facts.unsupported.empty()) return absl::OkStatus();
  return absl::UnimplementedError(facts.unsupported[0]);
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
  verb.SetDetails(
      "Shape, types, tokenizer, chat template with a greeting rendered by it,\n"
      "and what each of 1 to 8 devices would need. Exit code 1 if this build\n"
      "cannot run the model; the last lines say why.");
  verb.SetCheck([flags] {
    return flags->model.empty()
               ? absl::InvalidArgumentError("the model FILE is missing")
               : absl::OkStatus();
  });
  verb.SetRunner([flags] { return Inspect(*flags); });
}

}  // namespace shoal::cli
