# Functions that define Shoal's targets.

find_program(SHOAL_CCACHE ccache)
if(SHOAL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SHOAL_CCACHE})
endif()

if(SHOAL_SANITIZE)
  add_compile_options(-fsanitize=${SHOAL_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SHOAL_SANITIZE})
endif()

set(SHOAL_WARNINGS -Wall -Wextra -Wshadow -Wnon-virtual-dtor
                   -Woverloaded-virtual)
if(SHOAL_WERROR)
  list(APPEND SHOAL_WARNINGS -Werror)
endif()

# shoal_cc_library(NAME kernels HDRS a.h SRCS a.cc PUBLIC targets PRIVATE
# targets): the static library shoal_<NAME> with the alias shoal::<NAME>.
# PUBLIC holds what our headers include, PRIVATE the rest.
function(shoal_cc_library)
  cmake_parse_arguments(ARG "" "NAME" "HDRS;SRCS;PUBLIC;PRIVATE" ${ARGN})
  set(target shoal_${ARG_NAME})
  if(ARG_SRCS)
    add_library(${target} STATIC ${ARG_SRCS})
    set(scope PUBLIC)
    target_compile_options(${target} PRIVATE ${SHOAL_WARNINGS})
    target_link_libraries(${target} PRIVATE ${ARG_PRIVATE})
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(shoal::${ARG_NAME} ALIAS ${target})
  target_sources(${target} ${scope} FILE_SET HEADERS
    BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${ARG_HDRS})
  target_include_directories(${target} ${scope} ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} ${scope} ${ARG_PUBLIC})
endfunction()

# The targets that build all tests of one label (shoal_tests_unit and so on)
# and all fuzzers, so that a script builds no more than it runs.
foreach(label unit integration e2e slow)
  add_custom_target(shoal_tests_${label})
endforeach()
add_custom_target(shoal_fuzzers)

# shoal_cc_test(NAME matmul_test SRCS matmul_test.cc DEPS targets
# LABEL unit|integration|e2e|slow [TIMEOUT seconds] [ONE_CORE]): one test
# binary, run as one ctest case. GoogleTest's main is linked in. All but unit
# tests may start the program itself, SHOAL_BINARY, and take both of two cores,
# unless they say ONE_CORE: those that compute on one thread, or mostly wait.
function(shoal_cc_test)
  cmake_parse_arguments(ARG "ONE_CORE" "NAME;LABEL;TIMEOUT" "SRCS;DEPS"
                        ${ARGN})
  if(NOT SHOAL_TESTS)
    return()
  endif()
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(SHOAL_SANITIZE)
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")  # so much slower, or more
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_compile_options(${ARG_NAME} PRIVATE ${SHOAL_WARNINGS})
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} GTest::gmock
                                            GTest::gtest_main)
  add_dependencies(shoal_tests_${ARG_LABEL} ${ARG_NAME})
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  set_tests_properties(${ARG_NAME} PROPERTIES
    LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT
    "SHOAL_SOURCE_DIR=${PROJECT_SOURCE_DIR};SHOAL_BINARY=${PROJECT_BINARY_DIR}/shoal")
  if(NOT ARG_LABEL STREQUAL "unit")
    if(NOT ARG_ONE_CORE)
      set_tests_properties(${ARG_NAME} PROPERTIES PROCESSORS 2)
    endif()
    if(TARGET shoal)
      add_dependencies(${ARG_NAME} shoal)
    endif()
  endif()
endfunction()

# shoal_cc_fuzzer(NAME gguf_fuzz SRCS gguf_fuzz.cc DEPS targets): a libFuzzer
# binary, built by the preset fuzz alone and run by scripts/fuzz.sh.
function(shoal_cc_fuzzer)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  if(NOT SHOAL_FUZZ)
    return()
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_compile_options(${ARG_NAME} PRIVATE ${SHOAL_WARNINGS})
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_options(${ARG_NAME} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS})
  add_dependencies(shoal_fuzzers ${ARG_NAME})
endfunction()
