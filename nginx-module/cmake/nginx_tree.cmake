# nginx_tree(): the target `nginx_headers`, with which code compiles against one nginx.
#
# A module must be compiled with the very options of the nginx that will load it, and those are in
# objs/ngx_auto_config.h of a configured source tree. -DNGINX_SOURCE_DIR=… names such a tree. Without
# it, Debian's nginx-dev is copied and configured as `dh_nginx` does it for Debian's own modules.

set(NGINX_SOURCE_DIR "" CACHE PATH "A configured nginx source tree to build the module against")

set(NGINX_DEV_DIR /usr/share/nginx/src)

# Copies Debian's tree into the build folder and configures it there, once.
function(_nginx_configure_dev_tree tree)
  if(EXISTS ${tree}/objs/ngx_auto_config.h
     AND NOT ${NGINX_DEV_DIR}/conf_flags IS_NEWER_THAN ${tree}/objs/ngx_auto_config.h)
    return()
  endif()
  if(NOT EXISTS ${NGINX_DEV_DIR}/conf_flags)
    message(FATAL_ERROR "No nginx to build the module against: install Debian's nginx-dev, or give "
                        "-DNGINX_SOURCE_DIR=<configured nginx source tree>")
  endif()
  message(STATUS "Configuring a copy of ${NGINX_DEV_DIR}")
  file(REMOVE_RECURSE ${tree})
  file(COPY ${NGINX_DEV_DIR}/ DESTINATION ${tree})
  execute_process(
    COMMAND bash -c ". ./conf_flags && ./configure \"\${NGX_CONF_FLAGS[@]}\""
    WORKING_DIRECTORY ${tree}
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "nginx's configure failed in ${tree}:\n${output}")
  endif()
endfunction()

function(nginx_tree)
  set(tree ${NGINX_SOURCE_DIR})
  if(NOT tree)
    set(tree ${CMAKE_CURRENT_BINARY_DIR}/nginx)
    _nginx_configure_dev_tree(${tree})
  endif()
  if(NOT EXISTS ${tree}/objs/ngx_auto_config.h)
    message(FATAL_ERROR "${tree} is not configured: run its ./configure with the arguments that "
                        "`nginx -V` prints")
  endif()

  file(STRINGS ${tree}/src/core/nginx.h version REGEX "#define NGINX_VERSION ")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" version "${version}")
  message(STATUS "nginx ${version} in ${tree}")

  add_library(nginx_headers INTERFACE)
  target_include_directories(nginx_headers SYSTEM INTERFACE
    ${tree}/src/core ${tree}/src/event ${tree}/src/event/modules ${tree}/src/event/quic
    ${tree}/src/os/unix ${tree}/src/http ${tree}/src/http/modules ${tree}/src/http/v2
    ${tree}/src/http/v3 ${tree}/objs)
endfunction()
