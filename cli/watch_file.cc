#include "cli/watch_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/delimited_message_util.h"

namespace shoal::cli {

absl::StatusOr<std::unique_ptr<WatchFileWriter>> WatchFileWriter::Create(
    const std::string& path) {
  std::unique_ptr<WatchFileWriter> writer(new WatchFileWriter(path));
  writer->file_.open(path, std::ios::binary | std::ios::trunc);
  if (writer->file_) return writer;
  return absl::UnavailableError(
      absl::StrCat("--record ", path, ": cannot be written"));
}

absl::Status WatchFileWriter::Write(const proto::WatchUpdate& update) {
  google::protobuf::util::SerializeDelimitedToOstream(update, &file_);
  file_.flush();
  if (file_) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "--record ", path_, ": cannot be written any more; is the disk full?"));
}

absl::StatusOr<std::unique_ptr<WatchFileReader>> WatchFileReader::Open(
    const std::string& path) {
  std::unique_ptr<WatchFileReader> reader(new WatchFileReader(path));
  reader->file_.open(path, std::ios::binary);
  // A folder opens, and cannot be read.
  if (reader->file_ &&
      (reader->file_.peek() != std::ifstream::traits_type::eof() ||
       !reader->file_.bad())) {
    reader->file_.clear();
    return reader;
  }
  return absl::NotFoundError(
      absl::StrCat("--replay ", path, ": cannot be read"));
}

absl::Status WatchFileReader::Damaged(const char* what) const {
  return absl::DataLossError(absl::StrCat("--replay ", path_, ": at byte ",
                                          offset_, " ", what,
                                          "; what came before was shown"));
}

absl::StatusOr<bool> WatchFileReader::Next(proto::WatchUpdate& update) {
  uint64_t size = 0;
  uint64_t count = 0;
  for (;; ++count) {
    const int byte = file_.get();
    if (byte == std::ifstream::traits_type::eof()) {
      if (count == 0) return false;
      return Damaged("the file ends within a length");
    }
    size |= uint64_t{static_cast<unsigned>(byte) & 0x7Fu} << (7 * count);
    if ((byte & 0x80) == 0) break;
    if (count == 4) return Damaged("there is no length of an update");
  }
  if (size > kWatchUpdateBytesMax) {
    return Damaged("there is no length of an update");
  }
  std::string bytes(size, '\0');
  file_.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<uint64_t>(file_.gcount()) != size) {
    return Damaged("the file ends within an update");
  }
  if (!update.ParseFromString(bytes)) {
    return Damaged("there is no update");
  }
  offset_ += count + 1 + size;
  return true;
}

}  // namespace shoal::cli
