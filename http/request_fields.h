// Typed access to the fields of a request's JSON object.

#ifndef SHOAL_HTTP_REQUEST_FIELDS_H_
#define SHOAL_HTTP_REQUEST_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "http/api_error.h"
#include "nlohmann/json.hpp"

namespace shoal::http {

// The first fault is kept, and later calls change nothing: read all fields,
// then look at error(). A field that is missing or null leaves `to` as it is.
//
// Threads: thread-compatible.
class RequestFields {
 public:
  // `object` is borrowed and must outlive this.
  explicit RequestFields(const nlohmann::json& object) : object_(object) {}

  // Null if it is missing or null.
  const nlohmann::json* Find(const std::string& name) const;
  bool Has(const std::string& name) const { return Find(name) != nullptr; }

  void Read(const std::string& name, bool& to);
  void Read(const std::string& name, std::string& to);
  // Finite, low <= value <= high.
  void Read(const std::string& name, double low, double high, float& to);
  // A whole number, low <= value <= high.
  void Read(const std::string& name, int64_t low, int64_t high, int64_t& to);
  // A string or a list of them.
  void Read(const std::string& name, std::vector<std::string>& to);

  // For what would change the meaning of a request and is not done here: an
  // error if the field is there and not `harmless`, null, false, or empty.
  void Refuse(const std::string& name, const nlohmann::json& harmless,
              const std::string& why);

  void Fail(const std::string& name, const std::string& message,
            const std::string& code = "invalid_value");
  const std::optional<ApiError>& error() const { return error_; }

 private:
  const nlohmann::json& object_;
  std::optional<ApiError> error_;
};

// What a person calls the value: "a string", "a list".
std::string KindOf(const nlohmann::json& value);

}  // namespace shoal::http

#endif  // SHOAL_HTTP_REQUEST_FIELDS_H_
