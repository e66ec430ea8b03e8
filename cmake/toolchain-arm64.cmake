# Cross build for 64-bit ARM Linux with Debian's cross compiler, for the preset
# arm64-cross. Libraries come from the folder SHOAL_ARM64_SYSROOT, which
# scripts/install-deps.sh --arm64 fills; protoc and its gRPC plug-in are the
# host's. Tests run under QEMU's user emulation.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

# Compiler checks are projects of their own, which read this file again.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SHOAL_ARM64_SYSROOT)
if(NOT IS_DIRECTORY "${SHOAL_ARM64_SYSROOT}/usr/include")
  message(FATAL_ERROR "SHOAL_ARM64_SYSROOT=\"${SHOAL_ARM64_SYSROOT}\" has no "
    "usr/include; run scripts/install-deps.sh --arm64, which fills it")
endif()

set(CMAKE_SYSROOT "${SHOAL_ARM64_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${SHOAL_ARM64_SYSROOT}")
string(JOIN ":" pkg_config_folders
  "${SHOAL_ARM64_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig"
  "${SHOAL_ARM64_SYSROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_LIBDIR} "${pkg_config_folders}")

# "max" has every extension that QEMU knows.
set(CMAKE_CROSSCOMPILING_EMULATOR
  qemu-aarch64-static -cpu max -L "${SHOAL_ARM64_SYSROOT}")
