#include "security/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace shoal::security {
namespace {

class File {
 public:
  explicit File(int file) : file_(file) {}
  ~File() {
    if (file_ >= 0) close(file_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return file_; }

 private:
  const int file_;
};

absl::Status FileError(const std::string& path) {
  const int error = errno;
  const std::string text = absl::StrCat(path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::Status WriteAll(int file, absl::string_view content,
                      const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(path);
    content.remove_prefix(static_cast<size_t>(count));
  }
  if (fsync(file) != 0) return FileError(path);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSecretFile(const std::string& path, absl::string_view content,
                             FileReaders readers) {
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const File file(mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (file.get() < 0) return FileError(path);
  absl::Status written = WriteAll(file.get(), content, path);
  if (written.ok() && readers == FileReaders::kEveryone &&
      fchmod(file.get(), 0644) != 0) {
    written = FileError(path);
  }
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    written = FileError(path);
  }
  if (!written.ok()) unlink(temporary.c_str());
  return written;
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path,
                                           FileReaders readers) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError(path);
  struct stat facts = {};
  if (fstat(file.get(), &facts) != 0) return FileError(path);
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no file"));
  }
  if (readers == FileReaders::kOwner && (facts.st_mode & 0077) != 0) {
    return absl::PermissionDeniedError(absl::StrFormat(
        "%s holds a secret, and its mode %03o lets others read it; run "
        "chmod 600 %s",
        path, facts.st_mode & 0777, path));
  }
  std::string content(kSecretFileBytesMax + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t count =
        read(file.get(), content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(path);
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > kSecretFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has more than ", kSecretFileBytesMax,
                     " bytes; it is no key, certificate or token"));
  }
  content.resize(size);
  return content;
}

absl::Status MakeSecretFolder(const std::string& path) {
  const std::filesystem::path folder(path);
  std::filesystem::path made;
  for (const auto& part : folder) {
    made /= part;
    if (made.empty() || mkdir(made.c_str(), 0700) == 0 || errno == EEXIST) {
      continue;
    }
    // A parent that is there but not ours to look at gives another code.
    struct stat facts = {};
    if (stat(made.c_str(), &facts) != 0) return FileError(path);
  }
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) return FileError(path);
  if (!S_ISDIR(facts.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is no folder"));
  }
  return absl::OkStatus();
}

}  // namespace shoal::security
