# Writes OUTPUT, the source of PageFiles(), from FILES of FOLDER.
#
#   cmake -DOUTPUT=FILE -DFOLDER=FOLDER -DFILES=NAME,NAME -P embed.cmake

set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_svg "image/svg+xml")

string(REPLACE "," ";" names "${FILES}")
set(arrays "")
set(rows "")
set(number 0)
foreach(name ${names})
  file(READ "${FOLDER}/${name}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  # Lines of a length that compilers and people bear.
  string(REGEX REPLACE
         "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
         "\\1\n" bytes "${bytes}")
  string(REGEX MATCH "[a-z]+$" ending "${name}")
  set(path "/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  string(APPEND arrays
         "constexpr unsigned char kFile${number}[] = {\n${bytes}};\n")
  string(APPEND rows
         "      {\"${path}\", \"${type_${ending}}\", "
         "{reinterpret_cast<const char*>(kFile${number}), "
         "sizeof(kFile${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE "${OUTPUT}.new" "// Made by dashboard/embed.cmake.
#include \"dashboard/page_files.h\"

namespace shoal::dashboard {
namespace {

${arrays}
}  // namespace

const std::vector<PageFile>& PageFiles() {
  static const auto& files = *new std::vector<PageFile>{
${rows}  };
  return files;
}

}  // namespace shoal::dashboard
")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
