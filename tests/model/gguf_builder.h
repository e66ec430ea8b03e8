// Builds GGUF files byte by byte, right or wrong, for tests.

#ifndef SHOAL_TESTS_MODEL_GGUF_BUILDER_H_
#define SHOAL_TESTS_MODEL_GGUF_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::model::testing {

// Little-endian numbers one after another.
class Bytes {
 public:
  template <typename T>
  Bytes& Number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  Bytes& U8(uint8_t value) { return Number(value); }
  Bytes& U32(uint32_t value) { return Number(value); }
  Bytes& U64(uint64_t value) { return Number(value); }
  Bytes& Raw(absl::string_view text) {
    text_.append(text.data(), text.size());
    return *this;
  }
  Bytes& String(absl::string_view text) { return U64(text.size()).Raw(text); }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

// The format's ids of the value types that tests use.
inline constexpr uint32_t kUint8Id = 0;
inline constexpr uint32_t kInt32Id = 5;
inline constexpr uint32_t kUint32Id = 4;
inline constexpr uint32_t kFloat32Id = 6;
inline constexpr uint32_t kBoolId = 7;
inline constexpr uint32_t kStringId = 8;
inline constexpr uint32_t kArrayId = 9;
inline constexpr uint32_t kUint64Id = 10;
inline constexpr uint32_t kFloat64Id = 12;

inline Bytes Uint32Value(uint32_t value) {
  return Bytes().U32(kUint32Id).U32(value);
}
inline Bytes StringValue(absl::string_view text) {
  return Bytes().U32(kStringId).String(text);
}

// The pieces of a file; Build() writes them as they are. A count that is not
// set is the true one.
struct FileSpec {
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;
    uint32_t type = 0;  // F32
    uint64_t offset = 0;
  };

  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> tensor_count;
  std::optional<uint64_t> metadata_count;
  std::vector<std::pair<std::string, Bytes>> metadata;  // type and value
  std::vector<Tensor> tensors;
  uint64_t alignment = 32;  // of the data
  uint64_t data_bytes = 0;

  std::string Build() const {
    Bytes bytes;
    bytes.Raw(magic).U32(version);
    bytes.U64(tensor_count.value_or(tensors.size()));
    bytes.U64(metadata_count.value_or(metadata.size()));
    for (const auto& [key, value] : metadata)
      bytes.String(key).Raw(value.str());
    for (const Tensor& tensor : tensors) {
      bytes.String(tensor.name);
      bytes.U32(static_cast<uint32_t>(tensor.dims.size()));
      for (const uint64_t dim : tensor.dims) bytes.U64(dim);
      bytes.U32(tensor.type).U64(tensor.offset);
    }
    std::string file = bytes.str();
    if (data_bytes > 0) {
      file.resize((file.size() + alignment - 1) / alignment * alignment +
                  data_bytes);
    }
    return file;
  }
};

// Two F32 tensors of 16 x 2 and 16 elements, four metadata keys.
inline FileSpec ValidSpec() {
  FileSpec spec;
  spec.metadata = {
      {"general.architecture", StringValue("llama")},
      {"llama.block_count", Uint32Value(2)},
      {"llama.epsilon", Bytes().U32(kFloat32Id).Number(0.5f)},
      {"tokenizer.ggml.tokens",
       Bytes().U32(kArrayId).U32(kStringId).U64(2).String("a").String("bc")},
  };
  spec.tensors = {{.name = "first", .dims = {16, 2}, .offset = 0},
                  {.name = "second", .dims = {16}, .offset = 128}};
  spec.data_bytes = 128 + 64;
  return spec;
}

inline std::span<const std::byte> AsBytes(absl::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace shoal::model::testing

#endif  // SHOAL_TESTS_MODEL_GGUF_BUILDER_H_
