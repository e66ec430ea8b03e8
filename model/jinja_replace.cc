#include "model/jinja_replace.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/jinja_operators.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

Value TextValue(Heap& heap, absl::string_view text) {
  return heap.MakeText(std::string(text));
}

// The first white space at or behind `at`, or the first that is none.
size_t SkipTo(absl::string_view text, size_t at, bool space) {
  while (at < text.size()) {
    const size_t bytes = CharacterBytes(text, at);
    if (IsSpace(text.substr(at, bytes)) == space) break;
    at += bytes;
  }
  return at;
}

std::vector<Value> Words(Heap& heap, absl::string_view text,
                         int64_t split_max) {
  std::vector<Value> words;
  size_t at = SkipTo(text, 0, /*space=*/false);
  while (at < text.size()) {
    if (split_max >= 0 && static_cast<int64_t>(words.size()) == split_max) {
      words.push_back(
          TextValue(heap, StripSpace(text.substr(at), Side::kRight)));
      break;
    }
    const size_t end = SkipTo(text, at, /*space=*/true);
    words.push_back(TextValue(heap, text.substr(at, end - at)));
    at = SkipTo(text, end, /*space=*/false);
  }
  return words;
}

std::vector<Value> PiecesFromRight(Heap& heap, absl::string_view text,
                                   const std::string& separator,
                                   int64_t split_max) {
  std::vector<Value> pieces;
  while (static_cast<int64_t>(pieces.size()) < split_max &&
         heap.Charge(text.size() + 1)) {
    const size_t at = text.rfind(separator);
    if (at == absl::string_view::npos) break;
    pieces.push_back(TextValue(heap, text.substr(at + separator.size())));
    text = text.substr(0, at);
  }
  pieces.push_back(TextValue(heap, text));
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

}  // namespace

absl::StatusOr<Value> ReplaceText(Heap& heap, absl::string_view text,
                                  absl::string_view from, absl::string_view to,
                                  int64_t count) {
  TextBuilder out(heap);
  size_t at = 0;
  while (count != 0 && heap.status().ok()) {
    if (from.empty()) {
      out.Append(to);
      if (at == text.size()) break;
      const size_t bytes = CharacterBytes(text, at);
      out.Append(text.substr(at, bytes));
      at += bytes;
    } else {
      const size_t found = FindText(heap, text, from, at);
      if (found == absl::string_view::npos) break;
      out.Append(text.substr(at, found - at));
      out.Append(to);
      at = found + from.size();
    }
    if (count > 0) --count;
  }
  out.Append(text.substr(at));
  if (!heap.status().ok()) return heap.status();
  return out.TakeValue();
}

absl::StatusOr<Value> SplitText(Heap& heap, absl::string_view text,
                                const std::string* separator, int64_t split_max,
                                bool from_right) {
  heap.Charge(text.size());
  if (separator == nullptr) {
    if (from_right && split_max >= 0) {
      return absl::UnimplementedError(
          "rsplit() with a number and without a separator is not supported");
    }
    return heap.MakeList(Words(heap, text, split_max));
  }
  if (separator->empty()) {
    return absl::InvalidArgumentError("the separator of split() is empty");
  }
  if (from_right && split_max >= 0) {
    return heap.MakeList(PiecesFromRight(heap, text, *separator, split_max));
  }
  std::vector<Value> pieces;
  size_t at = 0;
  while (split_max < 0 || static_cast<int64_t>(pieces.size()) < split_max) {
    const size_t found = FindText(heap, text, *separator, at);
    if (found == absl::string_view::npos) break;
    pieces.push_back(TextValue(heap, text.substr(at, found - at)));
    at = found + separator->size();
  }
  pieces.push_back(TextValue(heap, text.substr(at)));
  return heap.MakeList(std::move(pieces));
}

}  // namespace shoal::model::jinja
