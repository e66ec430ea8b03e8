// Token ids and pieces of other programs, for every vocabulary in the folder
// of golden data (SHOAL_GOLDEN_DIR) that Shoal supports.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/detokenizer.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "model/utf8.h"
#include "nlohmann/json.hpp"
#include "tests/model/vocabulary_builder.h"

namespace shoal::model {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;
namespace fs = std::filesystem;

std::optional<fs::path> GoldenFolder() {
  const char* folder = std::getenv("SHOAL_GOLDEN_DIR");
  if (folder == nullptr) return std::nullopt;
  return fs::path(folder) / "tokenizer";
}

#define SKIP_WITHOUT_GOLDEN(folder) \
  if (!folder.has_value())          \
  GTEST_SKIP() << "SHOAL_GOLDEN_DIR is not set: no golden token ids here"

std::vector<fs::path> FilesEndingIn(const fs::path& folder,
                                    absl::string_view ending) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (absl::EndsWith(entry.path().string(), ending)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Json> ReadLines(const fs::path& path) {
  std::vector<Json> lines;
  std::istringstream text(ReadAll(path));
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) lines.push_back(Json::parse(line));
  }
  return lines;
}

// The string under `key`, or the base64 one under key_b64.
std::optional<std::string> TextAt(const Json& line, const std::string& key) {
  if (line.contains(key)) return line[key].get<std::string>();
  if (!line.contains(key + "_b64")) return std::nullopt;
  std::string text;
  absl::Base64Unescape(line[key + "_b64"].get<std::string>(), &text);
  return text;
}

std::unique_ptr<Tokenizer> Load(const fs::path& vocabulary,
                                const std::optional<std::string>& pre) {
  auto header = GgufHeader::ReadFile(vocabulary.string());
  EXPECT_TRUE(header.ok()) << header.status();
  if (!header.ok()) return nullptr;
  if (pre.has_value()) {
    GgufMetadata metadata = header->metadata();
    metadata["tokenizer.ggml.pre"] = *pre;
    header = testing::MakeHeader(metadata);
  }
  auto tokenizer = Tokenizer::Create(*header);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

Ids Encode(const Tokenizer& tokenizer, const std::string& text,
           bool add_special, bool parse_special) {
  const auto ids = tokenizer.Encode(
      text, {.add_special = add_special, .parse_special = parse_special});
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.value_or(Ids());
}

std::string Stream(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDetokenizer detokenizer(tokenizer, {.special = SpecialText::kShow});
  std::string text;
  for (const int32_t id : ids) detokenizer.Feed(id, text);
  detokenizer.Flush(text);
  return text;
}

void CheckLine(const Tokenizer& tokenizer, const Json& line,
               const Ids& bos_prefix) {
  const std::string text = *TextAt(line, "text");
  SCOPED_TRACE(absl::CEscape(text));
  const Ids ids = line["ids"];
  const Ids ids_parse = line.value("ids_parse", ids);
  const auto after_bos = [&](Ids tail) {
    tail.insert(tail.begin(), bos_prefix.begin(), bos_prefix.end());
    return tail;
  };
  EXPECT_EQ(Encode(tokenizer, text, false, false), ids);
  EXPECT_EQ(Encode(tokenizer, text, false, true), ids_parse);
  EXPECT_EQ(Encode(tokenizer, text, true, false),
            line.value("ids_bos", after_bos(ids)));
  EXPECT_EQ(Encode(tokenizer, text, true, true),
            line.value("ids_bos_parse", after_bos(ids_parse)));
  // Byte-level vocabularies give the text back as it was, where the reference
  // tidies spaces; the others write U+2581 as a space.
  const std::string decoded = tokenizer.Decode(ids, SpecialText::kShow);
  const std::string expected = tokenizer.adds_space_prefix()
                                   ? TextAt(line, "detok").value_or(text)
                                   : decoded;
  EXPECT_EQ(absl::CEscape(decoded), absl::CEscape(expected));
  EXPECT_EQ(Stream(tokenizer, ids), ReplaceInvalidUtf8(decoded));
}

TEST(TokenizerGoldenTest, EncodesEveryTextAsTheReferenceDoes) {
  const auto folder = GoldenFolder();
  SKIP_WITHOUT_GOLDEN(folder);
  int file_count = 0;
  int line_count = 0;
  for (const fs::path& path : FilesEndingIn(*folder, ".jsonl")) {
    if (absl::StrContains(path.filename().string(), ".invalid-utf8.")) continue;
    SCOPED_TRACE(path.filename().string());
    const std::vector<Json> lines = ReadLines(path);
    const Json& head = lines.front();
    std::optional<std::string> pre;
    if (!head["pre_override"].is_null()) pre = head["pre_override"];
    const auto tokenizer = Load(*folder / std::string(head["vocab"]), pre);
    ASSERT_NE(tokenizer, nullptr);
    EXPECT_EQ(tokenizer->vocab_size(), head["n_vocab"]);
    ASSERT_EQ(lines.size() - 1, head["lines"]);
    for (size_t idx = 1; idx < lines.size(); ++idx) {
      CheckLine(*tokenizer, lines[idx], head["bos_prefix"]);
    }
    ++file_count;
    line_count += static_cast<int>(lines.size()) - 1;
  }
  std::cout << "checked " << line_count << " texts in " << file_count
            << " files\n";
  EXPECT_GT(file_count, 0);
}

TEST(TokenizerGoldenTest, TakesInvalidUtf8) {
  const auto folder = GoldenFolder();
  SKIP_WITHOUT_GOLDEN(folder);
  for (const fs::path& path : FilesEndingIn(*folder, ".invalid-utf8.jsonl")) {
    SCOPED_TRACE(path.filename().string());
    const std::vector<Json> lines = ReadLines(path);
    const auto tokenizer =
        Load(*folder / std::string(lines[0]["vocab"]), std::nullopt);
    ASSERT_NE(tokenizer, nullptr);
    for (size_t idx = 1; idx < lines.size(); ++idx) {
      const std::string text = *TextAt(lines[idx], "text");
      SCOPED_TRACE(absl::CEscape(text));
      const Ids ids = Encode(*tokenizer, text, false, false);
      // SentencePiece-style vocabularies fall back to the bytes themselves.
      EXPECT_EQ(absl::CEscape(tokenizer->Decode(ids, SpecialText::kShow)),
                absl::CEscape(tokenizer->adds_space_prefix()
                                  ? text
                                  : ReplaceInvalidUtf8(text)));
      EXPECT_TRUE(IsValidUtf8(Stream(*tokenizer, ids)));
    }
  }
}

TEST(TokenizerGoldenTest, GivesThePiecesOfTheReference) {
  const auto folder = GoldenFolder();
  SKIP_WITHOUT_GOLDEN(folder);
  int piece_count = 0;
  for (const fs::path& path : FilesEndingIn(*folder, ".pieces.json")) {
    SCOPED_TRACE(path.filename().string());
    const Json file = Json::parse(ReadAll(path));
    const auto tokenizer =
        Load(*folder / std::string(file["vocab"]), std::nullopt);
    ASSERT_NE(tokenizer, nullptr);
    for (const auto& [id_text, pieces] : file["pieces"].items()) {
      const int32_t id = std::stoi(id_text);
      std::string hidden;
      std::string shown;
      tokenizer->AppendPiece(id, SpecialText::kHide, hidden);
      tokenizer->AppendPiece(id, SpecialText::kShow, shown);
      EXPECT_EQ(absl::BytesToHexString(hidden), pieces[0]) << "id " << id;
      EXPECT_EQ(absl::BytesToHexString(shown), pieces[1]) << "id " << id;
      ++piece_count;
    }
  }
  std::cout << "checked " << piece_count << " pieces\n";
  EXPECT_GT(piece_count, 0);
}

// The .inp/.out pairs: texts between separator lines, ids line by line.
TEST(TokenizerGoldenTest, EncodesThePublishedTestTexts) {
  const auto folder = GoldenFolder();
  SKIP_WITHOUT_GOLDEN(folder);
  constexpr absl::string_view kSeparator = "\n__ggml_vocab_test__\n";
  int text_count = 0;
  for (const fs::path& path : FilesEndingIn(*folder, ".gguf.inp")) {
    SCOPED_TRACE(path.filename().string());
    const std::string stem = path.string().substr(0, path.string().size() - 4);
    const auto tokenizer = Load(stem, std::nullopt);
    ASSERT_NE(tokenizer, nullptr);
    const std::string input = ReadAll(path);
    std::istringstream output(ReadAll(stem + ".out"));
    size_t from = 0;
    for (std::string line; std::getline(output, line);) {
      const size_t end = input.find(kSeparator.data(), from);
      const std::string text = input.substr(from, end - from);
      std::istringstream numbers(line);
      Ids ids;
      for (int32_t id; numbers >> id;) ids.push_back(id);
      EXPECT_EQ(Encode(*tokenizer, text, false, false), ids)
          << absl::CEscape(text);
      from = end == std::string::npos ? input.size() : end + kSeparator.size();
      ++text_count;
    }
  }
  std::cout << "checked " << text_count << " published texts\n";
  EXPECT_GT(text_count, 0);
}

}  // namespace
}  // namespace shoal::model
