# A Debian package of what `cmake --install` puts in place: `cpack -G DEB --config build/release/CPackConfig.cmake`.
#
# What the binary needs to run is found by dpkg-shlibdeps; what it needs to compile jobs is recommended.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME eagre)
set(CPACK_PACKAGE_VENDOR Eagre)
set(CPACK_PACKAGE_CONTACT "Eagre developers <eagre@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "event-stream processor, a native counterpart of Apache Flink")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
  WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
# `eagre run job.cc` and find_package(eagre).
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "g++, libabsl-dev, libfmt-dev, libprotobuf-dev, libxxhash-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "cmake, ninja-build")
include(CPack)
