# The Debian packages that `cpack` makes of a build: plugbay, and plugbay-dev for authors of devices. docs/packages.md
# tells what is in them; which is which is the component that a file is installed with, `runtime` or `dev`.
file(STRINGS ${CMAKE_SOURCE_DIR}/sdk/include/plugbay/abi/base.h abi_lines REGEX "^#define PLUGBAY_ABI_(MAJOR|MINOR) [0-9]+$")
string(REGEX MATCH "MAJOR ([0-9]+)" matched "${abi_lines}")
set(abi_major ${CMAKE_MATCH_1})
string(REGEX MATCH "MINOR ([0-9]+)" matched "${abi_lines}")
set(abi_minor ${CMAKE_MATCH_1})

set(copyright ${CMAKE_CURRENT_LIST_DIR}/debian-copyright)
install(FILES ${copyright} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/plugbay RENAME copyright COMPONENT runtime)
install(FILES ${copyright} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/plugbay-dev RENAME copyright COMPONENT dev)
install(FILES CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/plugbay COMPONENT runtime)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME plugbay)
set(CPACK_PACKAGE_VENDOR Plugbay)
set(CPACK_PACKAGE_CONTACT "Plugbay maintainers <maintainers@plugbay.invalid>")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each component says its own
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL runtime dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENT_DEV_DEPENDS runtime)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON) # plugbay-dev is of the same version as plugbay
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1) # of these packages, of one version of Plugbay
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME plugbay)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION otherosfs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# What a package with plugins depends on: "plugbay-abi-1 (>= 1.0)".
set(CPACK_DEBIAN_RUNTIME_PACKAGE_PROVIDES "plugbay-abi-${abi_major} (= ${abi_major}.${abi_minor})")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS plugbay-dev)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "KVM virtual machine monitor whose every device is a plugin
A machine is assembled from a JSON file: frontends such as serial ports and
disk controllers, and backends such as terminals and disk images. Each is a
shared object with a C ABI, and can be replaced while the guest runs.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME plugbay-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_ARCHITECTURE all) # headers, and the testkit as sources
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "cmake (>= 3.25), g++ | clang, libgmock-dev")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "pkg-config")
set(CPACK_COMPONENT_DEV_DESCRIPTION "files to write device plugins for Plugbay
The headers of the C ABI and of the C++ wrapper, a CMake package, a file for
pkg-config, the templates of `plugbay new`, and a testkit that runs plugins
without a virtual machine.")

include(CPack)
