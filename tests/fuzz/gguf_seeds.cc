// Writes the seed corpus of gguf_fuzz: gguf_seeds FOLDER

#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/gguf_writer.h"

namespace {

using shoal::kernels::WeightType;
using shoal::model::GgufArray;
using shoal::model::GgufMetadata;
using shoal::model::GgufTensor;

absl::Status Zeros(const GgufTensor&, uint64_t, std::span<std::byte> chunk) {
  for (std::byte& byte : chunk) byte = std::byte{0};
  return absl::OkStatus();
}

struct Seed {
  std::string name;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
};

std::vector<Seed> Seeds() {
  return {
      {"empty", {}, {}},
      {"numbers",
       {{"natural", uint64_t{70000}},
        {"large", std::numeric_limits<uint64_t>::max()},
        {"negative", int64_t{-1}},
        {"lowest", std::numeric_limits<int64_t>::min()},
        {"float", 0.5},
        {"double", 0.1},
        {"bool", true}},
       {}},
      {"arrays",
       {{"naturals", GgufArray(std::vector<uint64_t>{1, 2})},
        {"integers", GgufArray(std::vector<int64_t>{-1, 2})},
        {"floats", GgufArray(std::vector<double>{0.5, 0.1})},
        {"bools", GgufArray(std::vector<bool>{true, false})},
        {"none", GgufArray(std::vector<uint64_t>{})},
        {"tokenizer.ggml.tokens",
         GgufArray(std::vector<std::string>{"a", "", "bc"})}},
       {}},
      {"tensors",
       {{"general.alignment", uint64_t{8}},
        {"general.architecture", std::string("llama")}},
       {{.name = "a", .type = WeightType::kF32, .dims = {3}},
        {.name = "b", .type = WeightType::kQ8_0, .dims = {32, 2}},
        {.name = "c", .type = WeightType::kF16, .dims = {2, 2, 2, 1}}}},
  };
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: gguf_seeds FOLDER\n";
    return 2;
  }
  for (const Seed& seed : Seeds()) {
    const absl::Status status =
        WriteGgufFile(absl::StrCat(argv[1], "/", seed.name, ".gguf"),
                      seed.metadata, seed.tensors, Zeros);
    if (!status.ok()) {
      std::cerr << status << "\n";
      return 1;
    }
  }
  return 0;
}
