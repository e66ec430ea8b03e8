#include "tests/testing/golden_case.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "nlohmann/json.hpp"

namespace shoal::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string RepositoryLogits() {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return std::string(source == nullptr ? "." : source) +
         "/tests/e2e/data/logits";
}

bool InRepository(const std::string& name) {
  return fs::exists(RepositoryLogits() + "/" + name + ".json");
}

json ReadJson(const std::string& path) {
  std::ifstream file(path);
  SHOAL_CHECK(file.good(), "cannot read ", path);
  return json::parse(file);
}

std::vector<float> ReadFloats(const std::string& path, const json& place) {
  std::vector<float> values(place.at("count").get<size_t>());
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(place.at("offset").get<size_t>() *
                                         sizeof(float)));
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  SHOAL_CHECK(file.good(), "cannot read ", path);
  return values;
}

}  // namespace

std::optional<std::string> GoldenDirectory() {
  const char* directory = std::getenv("SHOAL_GOLDEN_DIR");
  if (directory == nullptr || *directory == 0) return std::nullopt;
  return std::string(directory);
}

std::vector<std::string> GoldenNames() {
  std::vector<std::string> names;
  for (const auto& file : fs::directory_iterator(RepositoryLogits())) {
    if (file.path().extension() != ".json") continue;
    names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  if (!GoldenDirectory()) return names;
  const json index = ReadJson(*GoldenDirectory() + "/logits/index.json");
  for (const json& entry : index.at("cases")) {
    const std::string name = entry.at("name");
    if (!InRepository(name)) names.push_back(name);
  }
  return names;
}

GoldenCase LoadGolden(const std::string& name) {
  SHOAL_CHECK(InRepository(name) || GoldenDirectory(), name,
              " is not in tests/e2e/data, and SHOAL_GOLDEN_DIR is not set");
  const std::string base =
      (InRepository(name) ? RepositoryLogits()
                          : *GoldenDirectory() + "/logits") +
      "/" + name;
  const json description = ReadJson(base + ".json");
  GoldenCase golden;
  golden.name = name;
  golden.model_path = base + ".gguf";
  golden.family = description.at("arch");
  golden.vocabulary = description.at("n_vocab");
  golden.noise_rms = description.at("noise_rms");
  golden.noise_max = description.at("noise_max");
  for (const auto& [type, count] : description.at("tensor_types").items()) {
    golden.quantized |= type != "F32" && type != "F16" && type != "BF16";
    // Norms are F32 in every file.
    if (type != "F32") golden.types += (golden.types.empty() ? "" : " ") + type;
  }
  if (golden.types.empty()) golden.types = "F32";
  for (const json& entry : description.at("prompts")) {
    GoldenPrompt& prompt = golden.prompts.emplace_back();
    prompt.tokens = entry.at("tokens").get<std::vector<int32_t>>();
    prompt.greedy = entry.at("greedy").get<std::vector<int32_t>>();
    prompt.greedy_margin = entry.at("greedy_margin").get<std::vector<float>>();
    prompt.last_logits_f64 =
        ReadFloats(base + ".f32", entry.at("last_logits_f64eval"));
    prompt.final_step_logits_f64 =
        ReadFloats(base + ".f32", entry.at("final_step_logits_f64eval"));
  }
  return golden;
}

Difference Compare(const std::vector<float>& a, const std::vector<float>& b) {
  SHOAL_CHECK(a.size() == b.size() && !a.empty());
  Difference difference;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double{a[i]} - double{b[i]});
    difference.rms += d * d;
    // A NaN must not look small.
    if (!(d <= difference.max)) difference.max = d;
  }
  difference.rms = std::sqrt(difference.rms / static_cast<double>(a.size()));
  return difference;
}

int32_t ArgMax(const std::vector<float>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                              logits.begin());
}

}  // namespace shoal::testing
