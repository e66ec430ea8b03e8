#include "http/request_fields.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace shoal::http {

using nlohmann::json;

std::string KindOf(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "a list";
    case json::value_t::string:
      return "a string";
    case json::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    default:
      return absl::StrCat("the number ", value.dump());
  }
}

const json* RequestFields::Find(const std::string& name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void RequestFields::Fail(const std::string& name, const std::string& message,
                         const std::string& code) {
  if (!error_) error_ = WrongField(name, message, code);
}

void RequestFields::Read(const std::string& name, bool& to) {
  const json* value = Find(name);
  if (value == nullptr) return;
  if (value->is_boolean()) {
    to = value->get<bool>();
  } else {
    Fail(name, absl::StrCat(name, " is ", KindOf(*value),
                            "; it must be true or false"));
  }
}

void RequestFields::Read(const std::string& name, std::string& to) {
  const json* value = Find(name);
  if (value == nullptr) return;
  if (value->is_string()) {
    to = value->get<std::string>();
  } else {
    Fail(name,
         absl::StrCat(name, " is ", KindOf(*value), "; it must be a string"));
  }
}

void RequestFields::Read(const std::string& name, double low, double high,
                         float& to) {
  const json* value = Find(name);
  if (value == nullptr) return;
  const double number = value->is_number() ? value->get<double>() : NAN;
  if (number >= low && number <= high) {
    to = static_cast<float>(number);
  } else {
    Fail(name, absl::StrCat(name, " is ", KindOf(*value),
                            "; it must be a number from ", low, " to ", high));
  }
}

void RequestFields::Read(const std::string& name, int64_t low, int64_t high,
                         int64_t& to) {
  const json* value = Find(name);
  if (value == nullptr) return;
  // Numbers beyond int64 are unsigned, or floating point and not whole.
  const bool fits =
      value->is_number_unsigned()
          ? value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
          : value->is_number_integer();
  if (fits && value->get<int64_t>() >= low && value->get<int64_t>() <= high) {
    to = value->get<int64_t>();
  } else {
    Fail(name,
         absl::StrCat(name, " is ", KindOf(*value),
                      "; it must be a whole number from ", low, " to ", high));
  }
}

void RequestFields::Read(const std::string& name,
                         std::vector<std::string>& to) {
  const json* value = Find(name);
  if (value == nullptr) return;
  std::vector<std::string> texts;
  const auto add = [&](const json& text) {
    if (text.is_string()) {
      texts.push_back(text.get<std::string>());
    } else {
      Fail(name, absl::StrCat(name, " has ", KindOf(text),
                              " where a string must be"));
    }
  };
  if (value->is_array()) {
    for (const json& text : *value) add(text);
  } else {
    add(*value);
  }
  to = std::move(texts);
}

void RequestFields::Refuse(const std::string& name, const json& harmless,
                           const std::string& why) {
  const json* value = Find(name);
  if (value == nullptr || *value == harmless) return;
  if (value->is_boolean() && !value->get<bool>()) return;
  if ((value->is_structured() || value->is_string()) &&
      (value->empty() || *value == "")) {
    return;
  }
  Fail(name, absl::StrCat(name, ": ", why), "unsupported_parameter");
}

}  // namespace shoal::http
