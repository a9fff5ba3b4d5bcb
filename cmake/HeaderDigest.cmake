# Writes the header with the digest of all public headers, and leaves it alone when nothing changed.
#   cmake -D ROOT=... -D OUTPUT=... [-D SUMS=... -D INSTALLED_SUMS=... -D INSTALLED=...] -P HeaderDigest.cmake
# SUMS names each header with its checksum, for who compiles against the source tree; INSTALLED_SUMS those of an installed
# tree, where they are in the folder INSTALLED.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/PublicHeaders.cmake)
eagre_public_headers(headers ROOT ${ROOT})
set(all "")
set(sums "")
set(installed_sums "")
foreach(header IN LISTS headers)
  file(SHA256 ${ROOT}/${header} digest)
  string(APPEND all "${header} ${digest}\n")
  string(APPEND sums "${digest}  ${ROOT}/${header}\n")
  string(REGEX REPLACE "^include/" "" target ${header})
  if(NOT header MATCHES "\\.proto$")
    string(APPEND installed_sums "${digest}  @ROOT@/${INSTALLED}/${target}\n")
  endif()
endforeach()
string(SHA256 digest "${all}")
string(SUBSTRING ${digest} 0 16 digest)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"// Generated: the digest of the headers that a job's library is compiled against.
#pragma once
#define EAGRE_HEADERS_DIGEST \"@digest@\"
" @ONLY)
if(SUMS)
  file(WRITE ${SUMS} "${sums}")
  file(WRITE ${INSTALLED_SUMS} "${installed_sums}")
endif()
