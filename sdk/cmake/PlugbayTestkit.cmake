# Plugbay::testkit and plugbay_add_plugin_test(). The testkit is installed as sources and compiled once by whoever
# uses it, with their compiler, standard library and sanitizers.
find_path(PLUGBAY_TESTKIT_SOURCES machine.cpp NO_DEFAULT_PATH NO_CACHE
  PATHS ${CMAKE_CURRENT_LIST_DIR}/../testkit/src ${CMAKE_CURRENT_LIST_DIR}/../../../share/plugbay/testkit/src
        ${CMAKE_CURRENT_LIST_DIR}/../../../../share/plugbay/testkit/src)

if(PLUGBAY_TESTKIT_SOURCES AND CMAKE_CXX_COMPILER AND NOT TARGET plugbay-testkit)
  file(GLOB PLUGBAY_TESTKIT_FILES CONFIGURE_DEPENDS ${PLUGBAY_TESTKIT_SOURCES}/*.cpp)
  add_library(plugbay-testkit STATIC EXCLUDE_FROM_ALL ${PLUGBAY_TESTKIT_FILES})
  add_library(Plugbay::testkit ALIAS plugbay-testkit)
  target_link_libraries(plugbay-testkit PUBLIC Plugbay::sdk PRIVATE ${CMAKE_DL_LIBS})
  # In the source tree its headers have a folder of their own; installed, they lie with the SDK's.
  if(EXISTS ${PLUGBAY_TESTKIT_SOURCES}/../include)
    target_include_directories(plugbay-testkit PUBLIC ${PLUGBAY_TESTKIT_SOURCES}/../include)
  endif()
  set_target_properties(plugbay-testkit PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
endif()

# plugbay_add_plugin_test(NAME PLUGIN target... SOURCES file... [LIBRARIES target...])
#
# Makes NAME, a GoogleTest executable (GoogleMock and a main are linked in) that tests plugins on the testkit's Bench,
# and registers its cases with ctest under the label "testkit". PLUGBAY_PLUGIN_FILE is the path of the first plugin,
# PLUGBAY_PLUGIN_DIRECTORY that of the folder it lies in. Does nothing when BUILD_TESTING is off, or when there is no
# GoogleTest.
function(plugbay_add_plugin_test name)
  cmake_parse_arguments(PARSE_ARGV 1 argument "" "" "PLUGIN;SOURCES;LIBRARIES")
  if(argument_UNPARSED_ARGUMENTS OR NOT argument_PLUGIN)
    message(FATAL_ERROR "plugbay_add_plugin_test(${name}) takes PLUGIN, which it needs, SOURCES and LIBRARIES; "
                        "it does not know: ${argument_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT BUILD_TESTING)
    return()
  endif()
  find_package(GTest QUIET)
  if(NOT TARGET GTest::gmock)
    message(STATUS "GoogleTest was not found: ${name} is not built")
    return()
  endif()
  include(GoogleTest)
  list(GET argument_PLUGIN 0 plugin)
  add_executable(${name} ${argument_SOURCES})
  target_link_libraries(${name} PRIVATE Plugbay::testkit GTest::gmock GTest::gtest_main ${argument_LIBRARIES})
  target_compile_options(${name} PRIVATE ${PLUGBAY_TEST_COMPILE_OPTIONS})
  target_compile_definitions(${name} PRIVATE "PLUGBAY_PLUGIN_FILE=\"$<TARGET_FILE:${plugin}>\""
                             "PLUGBAY_PLUGIN_DIRECTORY=\"$<TARGET_FILE_DIR:${plugin}>\"")
  add_dependencies(${name} ${argument_PLUGIN})
  gtest_discover_tests(${name} TEST_PREFIX "${name}." PROPERTIES LABELS testkit DISCOVERY_MODE PRE_TEST)
endfunction()
