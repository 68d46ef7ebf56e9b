# find_package(Plugbay): gives the targets Plugbay::sdk and Plugbay::testkit and the functions plugbay_add_plugin()
# and plugbay_add_plugin_test(). Serves the source tree (sdk/cmake, sdk/include) and an installation
# (<prefix>/lib*/cmake/Plugbay, <prefix>/include) alike.
include(${CMAKE_CURRENT_LIST_DIR}/PlugbayAddPlugin.cmake)

if(NOT TARGET Plugbay::sdk)
  add_library(Plugbay::sdk INTERFACE IMPORTED GLOBAL)
  find_path(PLUGBAY_INCLUDE_DIRECTORY plugbay/abi/plugin.h NO_DEFAULT_PATH NO_CACHE REQUIRED
    PATHS ${CMAKE_CURRENT_LIST_DIR}/../include ${CMAKE_CURRENT_LIST_DIR}/../../../include
          ${CMAKE_CURRENT_LIST_DIR}/../../../../include)
  set_target_properties(Plugbay::sdk PROPERTIES
    IMPORTED_NO_SYSTEM ON INTERFACE_INCLUDE_DIRECTORIES ${PLUGBAY_INCLUDE_DIRECTORY})
  target_compile_features(Plugbay::sdk INTERFACE cxx_std_20)
endif()

include(${CMAKE_CURRENT_LIST_DIR}/PlugbayTestkit.cmake)
