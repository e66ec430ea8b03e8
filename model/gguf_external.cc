#include "model/gguf_external.h"

#include <iterator>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "model/gguf_format.h"

namespace shoal::model {
namespace {

constexpr char kVersionKey[] = "shoal.external.version";
constexpr char kDataSizeKey[] = "shoal.external.data_size";
constexpr char kInlineSizeKey[] = "shoal.external.inline_size";
constexpr char kGridKey[] = "shoal.external.grid";
constexpr char kDigestsKey[] = "shoal.external.digests";

// Takes the value of `key`, which must be a T.
template <typename T>
absl::StatusOr<T> Take(GgufMetadata& metadata, const std::string& key,
                       absl::string_view wanted) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, " is missing: the other keys ", kExternalPrefix,
                     "* say that tensor data is not in the file"));
  }
  T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        key, " is a ", KindOf(found->second), "; wanted: ", wanted));
  }
  T taken = std::move(*value);
  metadata.erase(found);
  return taken;
}

absl::StatusOr<std::vector<base::Digest>> TakeDigests(GgufMetadata& metadata) {
  SHOAL_ASSIGN_OR_RETURN(
      const GgufArray array,
      Take<GgufArray>(metadata, kDigestsKey, "an array of natural numbers"));
  const auto* halves = std::get_if<std::vector<uint64_t>>(&array);
  if (halves == nullptr || halves->empty() || halves->size() % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        kDigestsKey, " has ",
        halves == nullptr ? "something else" : absl::StrCat(halves->size()),
        "; wanted: two natural numbers for each unit"));
  }
  std::vector<base::Digest> digests;
  for (size_t i = 0; i < halves->size(); i += 2) {
    digests.push_back({(*halves)[i], (*halves)[i + 1]});
  }
  return digests;
}

}  // namespace

void AddExternal(const GgufExternal& external, GgufMetadata& metadata) {
  metadata[kVersionKey] = kExternalVersion;
  metadata[kDataSizeKey] = external.data_bytes;
  metadata[kInlineSizeKey] = external.inline_bytes;
  metadata[kGridKey] = external.grid;
  std::vector<uint64_t> halves;
  for (const base::Digest& digest : external.digests) {
    halves.push_back(digest.high);
    halves.push_back(digest.low);
  }
  metadata[kDigestsKey] = GgufArray(std::move(halves));
}

absl::StatusOr<std::optional<GgufExternal>> TakeExternal(
    GgufMetadata& metadata) {
  const auto first = metadata.lower_bound(kExternalPrefix);
  if (first == metadata.end() ||
      !absl::StartsWith(first->first, kExternalPrefix)) {
    return std::optional<GgufExternal>();
  }
  constexpr absl::string_view kNumber = "a natural number";
  SHOAL_ASSIGN_OR_RETURN(const uint64_t version,
                         Take<uint64_t>(metadata, kVersionKey, kNumber));
  if (version != kExternalVersion) {
    return absl::UnimplementedError(
        absl::StrCat(kVersionKey, " is ", version, "; supported is ",
                     kExternalVersion, ": make the file with this program"));
  }
  GgufExternal external;
  SHOAL_ASSIGN_OR_RETURN(external.data_bytes,
                         Take<uint64_t>(metadata, kDataSizeKey, kNumber));
  SHOAL_ASSIGN_OR_RETURN(external.inline_bytes,
                         Take<uint64_t>(metadata, kInlineSizeKey, kNumber));
  SHOAL_ASSIGN_OR_RETURN(external.grid,
                         Take<std::string>(metadata, kGridKey, "a string"));
  SHOAL_ASSIGN_OR_RETURN(external.digests, TakeDigests(metadata));
  if (external.data_bytes > kExternalDataBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(kDataSizeKey, " is ", external.data_bytes,
                     "; allowed are 0 to ", kExternalDataBytesMax));
  }
  if (external.inline_bytes > external.data_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        kInlineSizeKey, " is ", external.inline_bytes, ", which is more than ",
        kDataSizeKey, ", ", external.data_bytes));
  }
  return std::make_optional(std::move(external));
}

std::string GridNameOf(const UnitTable& table) {
  base::DigestBuilder digest;
  for (const UnitLayout& unit : table.units()) {
    const base::UnitId& id = unit.spec.id;
    const uint64_t fields[] = {
        id.layer,  id.phase, static_cast<uint64_t>(id.kind),
        id.expert, id.index, unit.spec.bytes};
    digest.Add(std::as_bytes(std::span(fields)));
  }
  return base::ToString(digest.Finish());
}

bool IsExternal(const GgufExternal& external, const UnitLayout& unit) {
  // A tensor is in the file or not; so is a part.
  for (const UnitPart& part : unit.parts) {
    if (part.file_offset >= external.inline_end) return true;
  }
  return false;
}

absl::Status CheckExternal(const GgufExternal& external, const ModelSpec& spec,
                           const GgufHeader& header, const UnitTable& table) {
  for (const std::string& name : {spec.embedding, spec.position_embedding}) {
    const GgufTensor* tensor = header.FindTensor(name);
    if (tensor == nullptr || tensor->offset < external.inline_end) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(header.source(), ": tensor ", name,
                     " is marked external; it must be in the file"));
  }
  const std::string grid = GridNameOf(table);
  if (external.grid != grid) {
    return absl::FailedPreconditionError(
        absl::StrCat(header.source(), ": ", kGridKey, " is ", external.grid,
                     ", this program cuts the model into units ", grid,
                     "; make the file and its stores again with this program"));
  }
  if (external.digests.size() != table.units().size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        header.source(), ": ", kDigestsKey, " is for ", external.digests.size(),
        " units, the model has ", table.units().size()));
  }
  return absl::OkStatus();
}

}  // namespace shoal::model
