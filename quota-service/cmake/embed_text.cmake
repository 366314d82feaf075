# Text files that are part of a program, kept readable in files of their own.
#
# quota_embed_lua(<target>): all src/store/*.lua as constants for the target and whoever links it,
# in <build>/generated/store/scripts.h; rapid_fire.lua becomes
#
#   extern const std::string_view kRapidFireLua;      the text, byte by byte
#   extern const std::string_view kRapidFireLuaSha1;  of the text, in hex, as EVALSHA wants it
#
# The same file, run as a script (cmake -DHEADER=… -DSOURCE=… -P embed_text.cmake -- <files…>),
# writes the two; it is run when one of the texts has changed.

set(QUOTA_EMBED_TEXT ${CMAKE_CURRENT_LIST_FILE})

function(quota_embed_lua target)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/store/*.lua)
  set(header ${CMAKE_BINARY_DIR}/generated/store/scripts.h)
  set(source ${CMAKE_BINARY_DIR}/generated/store/scripts.cc)
  add_custom_command(
    OUTPUT ${header} ${source}
    COMMAND ${CMAKE_COMMAND} -DHEADER=${header} -DSOURCE=${source} -P ${QUOTA_EMBED_TEXT}
      -- ${scripts}
    DEPENDS ${scripts} ${QUOTA_EMBED_TEXT}
    COMMENT "Embedding Lua scripts"
    VERBATIM)
  target_sources(${target} PRIVATE ${source} ${header})
  target_include_directories(${target} PUBLIC ${CMAKE_BINARY_DIR}/generated)
endfunction()

# From here on: the script.
if(NOT CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  return()
endif()

# "rapid_fire.lua" -> "kRapidFireLua"
function(constant_name file result)
  get_filename_component(name ${file} NAME)
  string(REGEX MATCHALL "[A-Za-z0-9]+" words "${name}")
  set(constant "k")
  foreach(word IN LISTS words)
    string(SUBSTRING ${word} 0 1 initial)
    string(SUBSTRING ${word} 1 -1 rest)
    string(TOUPPER ${initial} initial)
    string(APPEND constant "${initial}${rest}")
  endforeach()
  set(${result} ${constant} PARENT_SCOPE)
endfunction()

set(declarations "")
set(definitions "")
set(is_file FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  set(argument "${CMAKE_ARGV${i}}")
  if(is_file)
    constant_name("${argument}" constant)
    file(READ "${argument}" text)
    file(SHA1 "${argument}" sha1)
    string(APPEND declarations
      "extern const std::string_view ${constant};\n"
      "extern const std::string_view ${constant}Sha1;\n")
    string(APPEND definitions
      "constexpr std::string_view ${constant} = R\"__text__(${text})__text__\";\n"
      "constexpr std::string_view ${constant}Sha1 = \"${sha1}\";\n")
  elseif(argument STREQUAL "--")
    set(is_file TRUE)
  endif()
endforeach()

set(notice "// Generated from src/store/*.lua.\n")
file(WRITE "${HEADER}"
  "${notice}#pragma once\n\n#include <string_view>\n\n"
  "namespace quota::store {\n\n${declarations}\n}  // namespace quota::store\n")
file(WRITE "${SOURCE}"
  "${notice}#include \"store/scripts.h\"\n\n"
  "namespace quota::store {\n\n${definitions}\n}  // namespace quota::store\n")
