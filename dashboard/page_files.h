// The files of the page, as they were built from dashboard/web/.

#ifndef SHOAL_DASHBOARD_PAGE_FILES_H_
#define SHOAL_DASHBOARD_PAGE_FILES_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::dashboard {

struct PageFile {
  absl::string_view path;  // "/app.js"; that of index.html is "/"
  absl::string_view content_type;
  absl::string_view bytes;
};

// They are part of the program: nothing is read from a disk.
const std::vector<PageFile>& PageFiles();

}  // namespace shoal::dashboard

#endif  // SHOAL_DASHBOARD_PAGE_FILES_H_
