// JSON values as values of the template language, for tests.

#ifndef SHOAL_TESTS_MODEL_JINJA_VALUE_FROM_JSON_H_
#define SHOAL_TESTS_MODEL_JINJA_VALUE_FROM_JSON_H_

#include <string>
#include <utility>
#include <vector>

#include "model/jinja_value.h"
#include "nlohmann/json.hpp"

namespace shoal::model::testing {

// In the order of the file, as templates see it.
using Json = nlohmann::ordered_json;

inline jinja::Value ValueOf(jinja::Heap& heap, const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return heap.MakeText(json.get<std::string>());
  if (json.is_array()) {
    std::vector<jinja::Value> items;
    for (const Json& item : json) items.push_back(ValueOf(heap, item));
    return heap.MakeList(std::move(items));
  }
  if (json.is_object()) {
    std::vector<std::pair<jinja::Value, jinja::Value>> entries;
    for (const auto& [key, value] : json.items()) {
      entries.emplace_back(heap.MakeText(key), ValueOf(heap, value));
    }
    return heap.MakeDict(std::move(entries));
  }
  return jinja::None();
}

}  // namespace shoal::model::testing

#endif  // SHOAL_TESTS_MODEL_JINJA_VALUE_FROM_JSON_H_
