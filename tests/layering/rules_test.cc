// Shows every rule of the house a small tree that breaks it and one that keeps
// it.

#include "tests/layering/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/layering/source_file.h"

namespace shoal::layering {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Tree TreeOf(const std::vector<std::pair<std::string, std::string>>& files) {
  Tree tree;
  for (const auto& [path, text] : files) {
    tree.push_back(ParseSource(path, text));
  }
  return tree;
}

auto Is(const std::string& rule, const std::string& subject, int line) {
  return AllOf(Field("rule", &Finding::rule, rule),
               Field("subject", &Finding::subject, subject),
               Field("line", &Finding::line, line));
}

std::string Lines(int count, const std::string& line) {
  std::string text;
  for (int i = 0; i < count; ++i) text += line + "\n";
  return text;
}

TEST(ArrowRuleTest, AFolderIncludesOnlyItselfAndItsList) {
  EXPECT_THAT(CheckArrows(TreeOf({{"memory/a.h",
                                   "#include <vector>\n"
                                   "#include \"absl/status/status.h\"\n"
                                   "#include \"base/unit.h\"\n"
                                   "#include \"memory/b.h\"\n"}})),
              IsEmpty());
  EXPECT_THAT(CheckArrows(TreeOf({{"memory/a.h",
                                   "// One.\n"
                                   "#include \"kernels/layout.h\"\n"}})),
              ElementsAre(Is("arrow", "memory/a.h", 2)));
}

TEST(ArrowRuleTest, ArrowsAreNotInheritedThroughOthers) {
  // parallel may include transport, and transport proto, but not parallel
  // proto.
  EXPECT_THAT(CheckArrows(TreeOf({{"parallel/a.cc",
                                   "#include \"transport/channel.h\"\n"
                                   "#include \"proto/plan.h\"\n"}})),
              ElementsAre(Is("arrow", "parallel/a.cc", 2)));
}

TEST(ArrowRuleTest, WorkerAndCoordinatorDoNotKnowEachOther) {
  EXPECT_THAT(CheckArrows(TreeOf(
                  {{"coordinator/a.cc", "#include \"worker/rank.h\"\n"},
                   {"worker/a.cc", "#include \"coordinator/session.h\"\n"},
                   {"cli/a.cc",
                    "#include \"coordinator/session.h\"\n#include "
                    "\"worker/rank.h\"\n"}})),
              ElementsAre(Is("arrow", "coordinator/a.cc", 1),
                          Is("arrow", "worker/a.cc", 1)));
}

TEST(ArrowRuleTest, TheProductDoesNotIncludeTests) {
  EXPECT_THAT(CheckArrows(TreeOf(
                  {{"cli/a.cc", "#include \"tests/testing/fake.h\"\n"}})),
              ElementsAre(Is("arrow", "cli/a.cc", 1)));
}

TEST(ArrowRuleTest, IncludesAreWrittenFromTheRoot) {
  EXPECT_THAT(
      CheckArrows(TreeOf({{"base/a.cc", "#include \"a.h\"\n"},
                          {"tests/base/a_test.cc", "#include \"a.h\"\n"}})),
      ElementsAre(Is("arrow", "base/a.cc", 1),
                  Is("arrow", "tests/base/a_test.cc", 1)));
}

TEST(ArrowRuleTest, IncludesWithinLiteralsAndCommentsDoNotCount) {
  EXPECT_THAT(CheckArrows(TreeOf({{"base/a.cc",
                                   "// #include \"cli/a.h\"\n"
                                   "auto s = R\"x(\n"
                                   "#include \"cli/a.h\"\n"
                                   ")x\";\n"}})),
              IsEmpty());
}

TEST(LibraryRuleTest, ZeroMqStaysInTransport) {
  EXPECT_THAT(
      CheckLibraries(TreeOf({{"transport/a.cc", "#include <zmq.hpp>\n"},
                             {"tests/transport/a.cc", "#include <zmq.h>\n"},
                             {"worker/a.cc", "#include <zmq.hpp>\n"},
                             {"tests/worker/a.cc", "#include <zmq.h>\n"},
                             {"tests/e2e/a.cc", "#include <zmq.h>\n"}})),
      ElementsAre(Is("library", "worker/a.cc", 1),
                  Is("library", "tests/worker/a.cc", 1),
                  Is("library", "tests/e2e/a.cc", 1)));
}

TEST(LibraryRuleTest, GeneratedCodeStopsAtTheDoor) {
  const std::string include = "#include \"proto/fleet.pb.h\"\n";
  EXPECT_THAT(CheckLibraries(TreeOf({{"proto/a.cc", include},
                                     {"transport/a.cc", include},
                                     {"worker/a.cc", include},
                                     {"coordinator/a.cc", include},
                                     {"cli/a.cc", include},
                                     {"tests/integration/a.cc", include},
                                     {"parallel/a.cc", include},
                                     {"tests/model/a.cc", include}})),
              ElementsAre(Is("library", "parallel/a.cc", 1),
                          Is("library", "tests/model/a.cc", 1)));
}

TEST(LibraryRuleTest, GrpcStaysInTheControlPlane) {
  EXPECT_THAT(CheckLibraries(TreeOf(
                  {{"worker/a.cc", "#include <grpcpp/grpcpp.h>\n"},
                   {"cli/a.cc", "#include \"proto/fleet.grpc.pb.h\"\n"},
                   {"transport/a.cc", "#include \"proto/fleet.grpc.pb.h\"\n"},
                   {"proto/a.cc", "#include <grpcpp/grpcpp.h>\n"}})),
              ElementsAre(Is("library", "transport/a.cc", 1),
                          Is("library", "proto/a.cc", 1)));
}

TEST(LibraryRuleTest, AbslMutexIsNowhere) {
  EXPECT_THAT(
      CheckLibraries(TreeOf(
          {{"base/a.cc", "#include \"absl/synchronization/mutex.h\"\n"}})),
      ElementsAre(Is("library", "base/a.cc", 1)));
}

TEST(LengthRuleTest, AFileHasAtMost500Lines) {
  EXPECT_THAT(CheckLengths(TreeOf({{"base/a.cc", Lines(500, "int a;")}})),
              IsEmpty());
  EXPECT_THAT(CheckLengths(TreeOf({{"base/a.cc", Lines(501, "int a;")}})),
              ElementsAre(Is("file-length", "base/a.cc", 0)));
}

TEST(LengthRuleTest, AFunctionHasAtMost70LinesSignatureAndBraceIncluded) {
  const std::string before = "namespace x {\nusing A = int;\n";
  const std::string head = "template <class T>\nint Foo::Bar(T a,\n  T b) {\n";
  const auto text = [&](int body) {
    return before + head + Lines(body, "  a = R\"({)\"; if (a) { b(); }") +
           "}\n\nint c() { return 1; }\n}  // namespace x\n";
  };
  EXPECT_THAT(CheckLengths(TreeOf({{"base/a.cc", text(66)}})), IsEmpty());
  EXPECT_THAT(CheckLengths(TreeOf({{"base/a.cc", text(67)}})),
              ElementsAre(Is("function-length", "base/a.cc#Foo::Bar", 3)));
}

TEST(LengthRuleTest, ATestIsAFunctionAndNamedByItsArguments) {
  const std::string text = "TEST(A, B) {\n" + Lines(70, "  f();") + "}\n";
  EXPECT_THAT(
      CheckLengths(TreeOf({{"tests/base/a_test.cc", text}})),
      ElementsAre(Is("function-length", "tests/base/a_test.cc#A, B", 1)));
}

TEST(LengthRuleTest, TablesClassesAndNamespacesAreNotFunctions) {
  EXPECT_THAT(
      CheckLengths(TreeOf(
          {{"base/a.cc", "namespace {\n" +
                             std::string("extern \"C\" {\nint kTable[] = {\n") +
                             Lines(80, "    1,") + "};\n\nclass A {\n" +
                             Lines(80, "  int a;") +
                             "};\n}  // extern\n}  // namespace\n"}})),
      IsEmpty());
}

TEST(LengthRuleTest, AMacroBeforeAFunctionDoesNotHideIt) {
  EXPECT_THAT(CheckLengths(TreeOf({{"base/a.cc",
                                    "#define X \\\n  do { \\\n  } while (0)\n"
                                    "int F() {\n" +
                                        Lines(80, "  f();") + "}\n"}})),
              ElementsAre(Is("function-length", "base/a.cc#F", 4)));
}

TEST(HeaderRuleTest, AHeaderBeginsWithACommentAndHasTheGuardOfItsPath) {
  const std::string good =
      "// Gives a.\n\n#ifndef SHOAL_BASE_A_B_H_\n#define SHOAL_BASE_A_B_H_\n\n"
      "#endif  // SHOAL_BASE_A_B_H_\n";
  EXPECT_THAT(CheckHeaders(TreeOf({{"base/a_b.h", good}})), IsEmpty());
  EXPECT_THAT(CheckHeaders(TreeOf({{"base/c.h", good}})), SizeIs(3));
  EXPECT_THAT(CheckHeaders(TreeOf({{"base/a_b.h", "\n" + good}})),
              ElementsAre(Is("first-line", "base/a_b.h", 1)));
  EXPECT_THAT(CheckHeaders(TreeOf({{"base/c.h", "// C.\n#pragma once\n"}})),
              SizeIs(3));
}

TEST(TodoRuleTest, ATodoNamesItsIssue) {
  EXPECT_THAT(CheckTodos(TreeOf({{"base/a.cc", "// TODO(#12): b\n"},
                                 {"base/b.cc", "auto s = \"TODO\";\n"}})),
              IsEmpty());
  EXPECT_THAT(
      CheckTodos(TreeOf({{"base/a.cc", "int a;  // TODO: b\n"},
                         {"base/b.cc", "/* x\n TODO(me): c */\n"},
                         {"base/CMakeLists.txt", "# TODO c\n"}})),
      ElementsAre(Is("todo", "base/a.cc", 1), Is("todo", "base/b.cc", 2),
                  Is("todo", "base/CMakeLists.txt", 1)));
}

TEST(SleepRuleTest, TestsDoNotSleepAndTheProductMay) {
  EXPECT_THAT(
      CheckSleeps(TreeOf(
          {{"base/clock.cc", "std::this_thread::sleep_for(a);\n"},
           {"tests/base/a.cc", "// usleep(1) is not used\n"},
           {"tests/base/b.cc", "clock_.SleepFor(a); fake->SleepFor(b);\n"}})),
      IsEmpty());
  EXPECT_THAT(
      CheckSleeps(TreeOf({{"tests/base/a.cc", "  this_thread::sleep_for(a);\n"},
                          {"tests/base/b.cc", "\n  absl::SleepFor(a);\n"},
                          {"tests/base/c.cc", "  usleep(100);\n"},
                          {"tests/base/d.cc", "Clock::Real().SleepFor(a);\n"},
                          {"tests/base/e.cc", "  ::sleep(1);\n"}})),
      ElementsAre(
          Is("sleep", "tests/base/a.cc", 1), Is("sleep", "tests/base/b.cc", 2),
          Is("sleep", "tests/base/c.cc", 1), Is("sleep", "tests/base/d.cc", 1),
          Is("sleep", "tests/base/e.cc", 1)));
}

TEST(BuildFileRuleTest, EverySourceIsNamedByACMakeListsOfItsFolderOrAbove) {
  const std::string lists = "shoal_cc_library(NAME base HDRS a.h\n  SRCS a.cc)";
  EXPECT_THAT(CheckBuildFiles(TreeOf({{"base/CMakeLists.txt", lists},
                                      {"base/a.h", ""},
                                      {"base/a.cc", ""}})),
              IsEmpty());
  EXPECT_THAT(
      CheckBuildFiles(TreeOf({{"base/CMakeLists.txt", lists + "# c.cc\n"},
                              {"cli/CMakeLists.txt", "d.cc"},
                              {"base/aa.cc", ""},
                              {"base/b.h", ""},
                              {"base/c.cc", ""},
                              {"base/d.cc", ""}})),
      ElementsAre(Is("unlisted", "base/aa.cc", 0),
                  Is("unlisted", "base/b.h", 0), Is("unlisted", "base/c.cc", 0),
                  Is("unlisted", "base/d.cc", 0)));
}

TEST(BuildFileRuleTest, ASubfolderMayBeListedFromAbove) {
  EXPECT_THAT(CheckBuildFiles(TreeOf({{"base/CMakeLists.txt", "SRCS x/a.cc"},
                                      {"base/x/a.cc", ""}})),
              IsEmpty());
}

TEST(BuildFileRuleTest, ALoopOverNamesWithoutTheirEndingNamesThem) {
  const Tree tree =
      TreeOf({{"tests/base/CMakeLists.txt",
               "foreach(name a_test b)\n  f(${name})\nendforeach()"},
              {"tests/base/a_test.cc", ""},
              {"tests/base/b_test.cc", ""},
              {"tests/base/c_test.cc", ""}});
  EXPECT_THAT(CheckBuildFiles(tree),
              ElementsAre(Is("unlisted", "tests/base/c_test.cc", 0)));
}

TEST(BuildFileRuleTest, SourcesAreNotListedByPattern) {
  EXPECT_THAT(CheckBuildFiles(TreeOf(
                  {{"base/CMakeLists.txt", "\nfile(GLOB SRCS *.cc)\n"}})),
              ElementsAre(Is("glob", "base/CMakeLists.txt", 2)));
}

TEST(ExceptionsTest, TakeOutExactlyTheFindingTheyName) {
  const std::vector<Finding> findings = {{"sleep", "a.cc", 1, ""},
                                         {"sleep", "b.cc", 1, ""},
                                         {"todo", "a.cc", 2, ""}};
  EXPECT_THAT(ApplyExceptions(findings, "# why\n\nsleep | a.cc | it times out"),
              ElementsAre(Is("sleep", "b.cc", 1), Is("todo", "a.cc", 2)));
}

TEST(ExceptionsTest, AnExceptionWithoutAReasonOrAUseIsAFinding) {
  EXPECT_THAT(ApplyExceptions({{"sleep", "a.cc", 1, ""}}, "sleep | a.cc |"),
              ElementsAre(Is("sleep", "a.cc", 1),
                          Is("exception", "exceptions.txt", 1)));
  const auto stale = ApplyExceptions({}, "\nsleep | a.cc | old");
  ASSERT_THAT(stale, ElementsAre(Is("exception", "exceptions.txt", 2)));
  EXPECT_THAT(ToString(stale[0]), HasSubstr("remove the line"));
}

}  // namespace
}  // namespace shoal::layering
