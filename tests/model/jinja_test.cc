// The template language against Jinja2, whose output for each case lies in
// tests/model/data (made by tests/tools/make_template_cases.py).

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/jinja_evaluator.h"
#include "model/jinja_parser.h"
#include "tests/model/jinja_value_from_json.h"

namespace shoal::model {
namespace {

using ::testing::HasSubstr;
using testing::Json;
using ::testing::StartsWith;
using testing::ValueOf;

Json Cases(const std::string& name) {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  if (source == nullptr) return Json();
  std::ifstream file(absl::StrCat(source, "/tests/model/data/", name, ".json"));
  return Json::parse(file, nullptr, /*allow_exceptions=*/false);
}

// What strftime_now() tells in the cases.
absl::Time Now() {
  return absl::FromCivil(absl::CivilDay(2024, 7, 26), absl::LocalTimeZone());
}

absl::StatusOr<std::string> Render(const std::string& source,
                                   const Json& context = {}) {
  const auto body = jinja::ParseTemplate(source);
  if (!body.ok()) return body.status();
  jinja::Heap heap;
  jinja::Scope* globals = heap.MakeScope(nullptr);
  globals->Set("messages", heap.MakeList({}));
  globals->Set("add_generation_prompt", true);
  globals->Set("tools", jinja::None());
  globals->Set("documents", jinja::None());
  globals->Set("bos_token", heap.MakeText("<s>"));
  globals->Set("eos_token", heap.MakeText("</s>"));
  for (const auto& [name, value] : context.items()) {
    globals->Set(name, ValueOf(heap, value));
  }
  jinja::Evaluator evaluator(heap, Now());
  return evaluator.Render(*body, globals);
}

void RunCases(const std::string& name, size_t count_min) {
  const Json cases = Cases(name);
  ASSERT_TRUE(cases.is_array()) << "run it with ctest";
  EXPECT_GE(cases.size(), count_min);
  for (const Json& test : cases) {
    SCOPED_TRACE(test["name"].get<std::string>());
    const auto text =
        Render(test["template"].get<std::string>(), test["context"]);
    if (test["expected"].is_null()) {
      EXPECT_FALSE(text.ok()) << *text;
      if (!text.ok()) {
        EXPECT_THAT(std::string(text.status().message()), StartsWith("line "));
      }
    } else {
      ASSERT_TRUE(text.ok()) << text.status();
      EXPECT_EQ(*text, test["expected"].get<std::string>());
    }
  }
}

TEST(JinjaTest, EveryConstructGivesWhatJinja2Gives) {
  RunCases("template_cases", 700);
}

TEST(JinjaTest, TemplatesOfTheFamiliesGiveWhatJinja2Gives) {
  RunCases("template_families", 15);
}

std::string ErrorOf(const std::string& source) {
  const auto text = Render(source);
  EXPECT_FALSE(text.ok()) << source;
  return text.ok() ? "" : std::string(text.status().message());
}

TEST(JinjaTest, AnErrorSaysWhichConstructAtWhichLine) {
  EXPECT_EQ(ErrorOf("a\nb\n{{ 'x' | xmlattr }}"),
            "line 3: the filter 'xmlattr' is not supported");
  EXPECT_EQ(ErrorOf("\n{% if 1 is nosuch %}{% endif %}"),
            "line 2: test 'nosuch': it is not supported");
  EXPECT_EQ(ErrorOf("\n\n{% include 'x' %}"),
            "line 3: the statement {% include %} is not supported");
  EXPECT_EQ(ErrorOf("{% for m in messages %}{% endfor %}\n{{ q.content }}"),
            "line 2: 'q' is undefined, so it has no 'content'");
  EXPECT_THAT(ErrorOf("\n{{ 'a'.zfill(3) }}"),
              HasSubstr("line 2: the method zfill() of a string"));
  EXPECT_EQ(ErrorOf("{{ raise_exception('no system role') }}"),
            "line 1: the template refuses: no system role");
  EXPECT_THAT(ErrorOf("{% if true %}\n"), HasSubstr("line 1: the block {% if"));
}

// Foreign templates must not cost more than they may.
TEST(JinjaTest, EveryLimitIsAnErrorAndNoCrash) {
  const std::string numbers = "{% for i in range(100000) %}";
  const std::string end = "{% endfor %}";
  for (const std::string& source : {
           // work
           numbers + numbers + "{{ i }}" + end + end,
           // output
           numbers + "{{ 'x' * 10000 }}" + end,
           std::string("{{ 'x' * 1000000000000 }}"),
           std::string("{{ [1] * 1000000000000 }}"),
           std::string("{{ ('x' * 100000).replace('', 'y' * 100000) }}"),
           std::string("{{ 'a\nb' | indent(9000000000) }}"),
           std::string("{{ [1] | batch(9000000000, 0) | list }}"),
           // containers inside of each other
           "{% set ns = namespace(x=[]) %}" + numbers +
               "{% set ns.x = [ns.x] %}" + end,
           // a text that doubles
           "{% set ns = namespace(x='xx') %}" + numbers +
               "{% set ns.x = ns.x ~ ns.x %}" + end,
           // recursion
           std::string("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
           std::string("{% macro m() %}{% for i in [1] %}{{ m() }}{% endfor %}"
                       "{% endmacro %}{{ m() }}"),
           std::string(100000, '(') + "1",
           "{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') +
               " }}",
           "{{ " + std::string(5000, '-') + "1 }}",
           "{{ 1" + std::string(3000, '+') + "1 }}",
       }) {
    const auto text = Render(source);
    EXPECT_TRUE(!text.ok() || text->size() == source.size())
        << source.substr(0, 80);
  }
  std::string chain = "{{ 1";
  for (int i = 0; i < 3000; ++i) chain += " + 1";
  EXPECT_THAT(ErrorOf(chain + " }}"), HasSubstr("200"));
  std::string blocks;
  for (int i = 0; i < 3000; ++i) blocks += "{% if true %}";
  EXPECT_THAT(ErrorOf(blocks), HasSubstr("100"));
}

TEST(JinjaTest, ANamespaceThatHoldsItselfIsHarmless) {
  const auto text = Render(
      "{% set ns = namespace(x=0) %}{% set ns.x = [ns] %}{{ ns.x }}"
      "{{ ns == ns }}{{ ns.x == ns.x }}");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, "[<Namespace>]TrueTrue");
}

}  // namespace
}  // namespace shoal::model
