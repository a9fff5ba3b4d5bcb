# The headers of libraries, parsed once for all files of a kind instead of once a file. None of ours is among them, so that
# editing a header rebuilds only the files that include it. Files still include what they use: clang-tidy reads them without.

# eagre_precompiled_headers(kind [PIC] HEADER cmake/precompiled/... LIBS external... OPTIONS -O1 ...): with the options of
# those who use it, or virtual functions get lost
function(eagre_precompiled_headers kind)
  cmake_parse_arguments(P "PIC" "HEADER" "LIBS;OPTIONS" ${ARGN})
  set(target eagre_precompiled_${kind})
  add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled/empty.cc)
  target_link_libraries(${target} PRIVATE ${P_LIBS})
  target_compile_options(${target} PRIVATE ${P_OPTIONS})
  target_precompile_headers(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/precompiled/${P_HEADER})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ${P_PIC})
endfunction()

# eagre_use_precompiled(target kind)
# -fpch-preprocess: or ccache would not see what the precompiled header holds.
function(eagre_use_precompiled target kind)
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_precompile_headers(${target} REUSE_FROM eagre_precompiled_${kind})
endfunction()
