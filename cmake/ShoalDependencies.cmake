# Everything comes from the distribution's packages (scripts/install-deps.sh).

set(CMAKE_THREAD_PREFER_PTHREAD ON)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)  # module mode: Debian ships no config file
find_package(gRPC CONFIG REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZeroMQ REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(XxHash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(Pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(HttpLib REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(Uring IMPORTED_TARGET liburing)  # not everywhere
if(SHOAL_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
if(SHOAL_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SHOAL_BENCH)
  find_package(benchmark REQUIRED)
endif()
