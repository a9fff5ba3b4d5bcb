# What `cmake --install` puts in place: the binary, the library, the headers, the CMake package, and what `eagre run
# job.cc` compiles with. The tree may be moved as a whole: nothing in it names the prefix.
#
#   bin/eagre   lib/libeagre.so   include/eagre/...   lib/cmake/eagre/...   share/eagre/{job.flags,headers.sha256}
include(CMakePackageConfigHelpers)

# One folder to compile against, so that nothing but `eagre` appears in include/. Of the messages their generated headers.
foreach(header IN LISTS public_headers)
  set(from ${PROJECT_SOURCE_DIR})
  if(header MATCHES "\\.proto$")
    set(from ${PROJECT_BINARY_DIR}/generated)
    string(REGEX REPLACE "\\.proto$" ".pb.h" header ${header})
  endif()
  string(REGEX REPLACE "^include/" "" target ${header})
  get_filename_component(target ${target} DIRECTORY)
  install(FILES ${from}/${header} DESTINATION ${headers_dir}/${target})
endforeach()
install(FILES ${digest_header} DESTINATION ${headers_dir}/eagre)

install(TARGETS eagre LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eagre)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/eagreConfig.cmake.in ${PROJECT_BINARY_DIR}/eagreConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eagreConfigVersion.cmake COMPATIBILITY ExactVersion)
install(FILES ${PROJECT_BINARY_DIR}/eagreConfig.cmake ${PROJECT_BINARY_DIR}/eagreConfigVersion.cmake
  DESTINATION ${package_dir})

# How the binary compiles a job: the compiler, then a flag a line; @ROOT@ is the folder above the binary's own. One file
# for the installed tree, one for the binary in the build tree. Eagre's headers are the system's to the compiler, which so
# does not count them among a job's own files.
get_filename_component(compiler ${CMAKE_CXX_COMPILER} NAME)
if(compiler STREQUAL "c++" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(compiler g++)  # c++ is whatever the machine at hand prefers, and another's may prefer another
endif()
set(job_flags "${compiler}\n-std=c++20\n-O2\n-DNDEBUG\n-g1\n-march=${EAGRE_MARCH}\n-fPIC\n")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # The precompiled headers are 200 MB of the compiler's own memory, which is not worth looking through for garbage.
  string(APPEND job_flags "--param=ggc-min-expand=1000\n--param=ggc-min-heapsize=2000000\n")
endif()
if(EAGRE_SANITIZE)
  string(APPEND job_flags "-fsanitize=${EAGRE_SANITIZE}\n")
endif()
set(installed_flags "${job_flags}-isystem\n@ROOT@/${headers_dir}\n")
file(WRITE ${PROJECT_BINARY_DIR}/installed.flags "${installed_flags}")
install(FILES ${PROJECT_BINARY_DIR}/installed.flags DESTINATION share/eagre RENAME job.flags)
install(FILES ${installed_header_sums} DESTINATION share/eagre RENAME headers.sha256)
foreach(folder IN LISTS EAGRE_PUBLIC_INCLUDES)
  string(APPEND job_flags "-isystem\n${folder}\n")
endforeach()
file(WRITE ${PROJECT_BINARY_DIR}/share/eagre/job.flags "${job_flags}")

if(TARGET eagre_binary)
  set_target_properties(eagre_binary PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
endif()
