# What a job's library is compiled against, in one place: what is installed, what the digest is of, and what it is made
# anew for.

# Folders whose headers a job sees, as #include <eagre/...> (those of include) or "folder/...".
set(EAGRE_HEADER_FOLDERS include base record state runtime api cep connectors)
# The messages behind the generated headers among them.
set(EAGRE_HEADER_MESSAGES proto)
# Of these folders, what no job sees: it names libraries that a job is not to know.
set(EAGRE_HIDDEN_HEADERS state/rocksdb_options.h proto/client.proto)

# eagre_public_headers(OUT ROOT root [CONFIGURE_DEPENDS]): the files, relative to the root, in order. With CONFIGURE_DEPENDS,
# which a script cannot have, a new file is noticed by the next build.
function(eagre_public_headers out)
  cmake_parse_arguments(P "CONFIGURE_DEPENDS" "ROOT" "" ${ARGN})
  set(patterns "")
  foreach(folder IN LISTS EAGRE_HEADER_FOLDERS)
    list(APPEND patterns ${P_ROOT}/${folder}/*.h)
  endforeach()
  foreach(folder IN LISTS EAGRE_HEADER_MESSAGES)
    list(APPEND patterns ${P_ROOT}/${folder}/*.proto)
  endforeach()
  set(depends "")
  if(P_CONFIGURE_DEPENDS)
    set(depends CONFIGURE_DEPENDS)
  endif()
  file(GLOB_RECURSE headers RELATIVE ${P_ROOT} ${depends} ${patterns})
  list(REMOVE_ITEM headers ${EAGRE_HIDDEN_HEADERS})
  list(SORT headers)
  set(${out} ${headers} PARENT_SCOPE)
endfunction()
