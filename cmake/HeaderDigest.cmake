# Writes the header with the digest of all public headers, and leaves it alone when nothing changed.
#   cmake -D ROOT=... -D OUTPUT=... -P HeaderDigest.cmake
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/PublicHeaders.cmake)
eagre_public_headers(headers ROOT ${ROOT})
set(all "")
foreach(header IN LISTS headers)
  file(SHA256 ${ROOT}/${header} digest)
  string(APPEND all "${header} ${digest}\n")
endforeach()
string(SHA256 digest "${all}")
string(SUBSTRING ${digest} 0 16 digest)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"// Generated: the digest of the headers that a job's library is compiled against.
#pragma once
#define EAGRE_HEADERS_DIGEST \"@digest@\"
" @ONLY)
