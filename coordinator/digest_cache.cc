#include "coordinator/digest_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/crc32c.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "model/gguf_parts.h"

namespace shoal::coordinator {
namespace {

// File: magic, digest of the identity, unit count, then for each unit a byte
// (known or not) and 16 bytes; last the CRC32C of all before. Host byte order:
// the file is this machine's own.
constexpr char kMagic[8] = {'S', 'h', 'o', 'a', 'l', 'D', 'g', '1'};
constexpr size_t kHeaderBytes = sizeof(kMagic) + 2 * sizeof(uint64_t) + 4;
constexpr size_t kRecordBytes = 1 + 2 * sizeof(uint64_t);

base::Digest DigestOfText(const std::string& text) {
  return base::DigestOf(std::as_bytes(std::span(text)));
}

std::string PathOf(const std::string& directory, const FileIdentity& identity) {
  return absl::StrCat(directory, "/",
                      base::ToString(DigestOfText(identity.real_path)),
                      ".digests");
}

base::Digest KeyOf(const FileIdentity& identity) {
  return DigestOfText(absl::StrCat(
      identity.real_path, "\n", absl::StrJoin(identity.sizes, ","), "\n",
      absl::StrJoin(identity.modified_ns, ","), "\n",
      absl::StrJoin(identity.inodes, ","), "\n", identity.model_id));
}

template <typename T>
void Append(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T Take(const std::string& from, size_t& at) {
  T value;
  std::memcpy(&value, from.data() + at, sizeof(value));
  at += sizeof(value);
  return value;
}

uint32_t ChecksumOf(const std::string& bytes, size_t count) {
  return base::Crc32c(std::as_bytes(std::span(bytes)).first(count));
}

std::string Encode(const FileIdentity& identity, const UnitDigests& digests) {
  std::string bytes(kMagic, sizeof(kMagic));
  const base::Digest key = KeyOf(identity);
  Append(bytes, key.high);
  Append(bytes, key.low);
  Append(bytes, static_cast<uint32_t>(digests.size()));
  for (const auto& digest : digests) {
    Append(bytes, static_cast<uint8_t>(digest ? 1 : 0));
    Append(bytes, digest.value_or(base::Digest{}).high);
    Append(bytes, digest.value_or(base::Digest{}).low);
  }
  Append(bytes, ChecksumOf(bytes, bytes.size()));
  return bytes;
}

}  // namespace

absl::StatusOr<FileIdentity> FileIdentity::Of(const std::string& path,
                                              const std::string& model_id) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<model::GgufPart> parts,
                         model::FindGgufParts(path));
  FileIdentity identity;
  for (const model::GgufPart& part : parts) {
    struct stat status;
    if (stat(part.path.c_str(), &status) != 0) {
      return absl::ErrnoToStatus(errno,
                                 absl::StrCat("cannot look at ", part.path));
    }
    std::error_code error;
    const auto real = std::filesystem::canonical(part.path, error);
    if (!identity.real_path.empty()) identity.real_path += "\n";
    identity.real_path += error ? part.path : real.string();
    identity.sizes.push_back(static_cast<uint64_t>(status.st_size));
    identity.modified_ns.push_back(int64_t{status.st_mtim.tv_sec} *
                                       1'000'000'000 +
                                   status.st_mtim.tv_nsec);
    identity.inodes.push_back(status.st_ino);
  }
  identity.model_id = model_id;
  return identity;
}

std::string DefaultDigestDirectory() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] != '\0') {
    return absl::StrCat(cache, "/shoal/digests");
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] == '\0') return "";
  return absl::StrCat(home, "/.cache/shoal/digests");
}

UnitDigests LoadDigests(const std::string& directory,
                        const FileIdentity& identity, uint32_t unit_count) {
  UnitDigests digests(unit_count);
  std::ifstream file(PathOf(directory, identity), std::ios::binary);
  // One byte more than expected shows a file that is too long.
  const size_t wanted = kHeaderBytes + size_t{unit_count} * kRecordBytes + 4;
  std::string bytes(wanted + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (static_cast<size_t>(file.gcount()) != wanted) return digests;
  size_t at = wanted - sizeof(uint32_t);
  if (Take<uint32_t>(bytes, at) != ChecksumOf(bytes, wanted - 4)) {
    return digests;
  }
  const base::Digest key = KeyOf(identity);
  at = sizeof(kMagic);
  if (std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0 ||
      Take<uint64_t>(bytes, at) != key.high ||
      Take<uint64_t>(bytes, at) != key.low ||
      Take<uint32_t>(bytes, at) != unit_count) {
    return digests;
  }
  for (auto& digest : digests) {
    const bool known = Take<uint8_t>(bytes, at) == 1;
    const auto high = Take<uint64_t>(bytes, at);
    const auto low = Take<uint64_t>(bytes, at);
    if (known) digest = base::Digest{high, low};
  }
  return digests;
}

absl::Status SaveDigests(const std::string& directory,
                         const FileIdentity& identity,
                         const UnitDigests& digests) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const std::string path = PathOf(directory, identity);
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  {
    const std::string bytes = Encode(identity, digests);
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) {
      std::filesystem::remove(temporary, error);
      return absl::UnavailableError(absl::StrCat("cannot write ", temporary));
    }
  }
  std::filesystem::rename(temporary, path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot write ", path, ": ", error.message()));
}

}  // namespace shoal::coordinator
