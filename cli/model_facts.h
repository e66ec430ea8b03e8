// What `shoal model inspect` tells of a model file.

#ifndef SHOAL_CLI_MODEL_FACTS_H_
#define SHOAL_CLI_MODEL_FACTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unit.h"
#include "model/gguf.h"

namespace shoal::cli {

struct UnitGroup {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

// What each of `devices` equal devices needs: the most that any rank does.
struct DeviceNeed {
  uint32_t devices = 1;
  uint64_t share_bytes = 0;           // weights on its disk
  uint64_t floor_stream_bytes = 0;    // least memory with --weights stream
  uint64_t floor_resident_bytes = 0;  // ... with --weights resident
};

struct ModelFacts {
  std::string file, name, family;
  uint32_t gguf_version = 0;
  uint64_t file_count = 1;
  uint64_t file_bytes = 0;                 // of all files
  std::map<std::string, UnitGroup> types;  // tensors by weight type
  UnitGroup external;  // of these, what is not in the file but in stores

  // Why this build cannot run the model, one reason each.
  std::vector<std::string> unsupported;

  // Empty if the family or a tensor is not supported.
  uint32_t layers = 0, hidden = 0, vocabulary = 0, trained_context = 0;
  uint32_t heads = 0, kv_heads = 0, ffn_width = 0;
  uint32_t experts = 0, experts_used = 0;
  uint64_t kv_elements_per_position = 0;
  uint64_t kv_blocks_per_position = 0;  // base::UnitSpec::kv_blocks
  std::map<base::UnitKind, UnitGroup> units;
  std::vector<DeviceNeed> needs;
  uint32_t context = 0;  // for which `needs` hold
  std::vector<std::string> remarks;

  std::string tokenizer;  // its kind, or why there is none
  std::vector<std::string> end_tokens;

  enum class Template : uint8_t { kNone, kWorks, kFails };
  Template chat_template = Template::kNone;
  // What a greeting becomes, or why it cannot be rendered.
  std::string template_text;
};

// Errors: of the metadata that is not even of the right type; all else is told
//         in the facts.
absl::StatusOr<ModelFacts> FactsOf(const std::string& path,
                                   const model::GgufHeader& header);

// "attention", "ffn", ...
const char* KindName(base::UnitKind kind);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_MODEL_FACTS_H_
