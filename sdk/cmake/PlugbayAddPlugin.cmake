# plugbay_add_plugin(NAME SOURCES file... [LIBRARIES target...] [LICENCE spdx-id])
#
# Makes NAME.so, a plugin in the sense of plugbay/abi/plugin.h: hidden visibility, one exported symbol by a version
# script, no undefined symbols (-z defs), no unique symbols that would pin it in memory, all relocations done at
# load. The same call serves inside Plugbay's tree and outside it, against the installed SDK. With
# PLUGBAY_PRECOMPILED_SDK the C++ wrapper is compiled once and not with each source: for quick builds.
function(plugbay_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 argument "" "LICENCE" "SOURCES;LIBRARIES")
  if(argument_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "plugbay_add_plugin(${name}) does not know: ${argument_UNPARSED_ARGUMENTS}. "
                        "It takes SOURCES, LIBRARIES and LICENCE.")
  endif()
  set(version_script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  add_library(${name} MODULE ${argument_SOURCES})
  set_property(GLOBAL APPEND PROPERTY PLUGBAY_PLUGINS ${name})
  target_link_libraries(${name} PRIVATE Plugbay::sdk ${argument_LIBRARIES})
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so"
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${version_script})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_compile_definitions(${name} PRIVATE "PLUGBAY_PLUGIN_LICENCE=\"${argument_LICENCE}\"")
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  # A sanitizer's run-time library is only found when the process starts, so -z defs has to go with it.
  if(NOT PLUGBAY_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  target_link_options(${name} PRIVATE -Wl,--version-script=${version_script} -Wl,-z,now -Wl,-z,relro
                      -Wl,--build-id)
  if(PLUGBAY_PRECOMPILED_SDK AND CMAKE_CXX_COMPILER)
    target_precompile_headers(${name} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:<plugbay/plugin.hpp$<ANGLE-R>>")
  endif()
  if(PLUGBAY_PLUGIN_DIRECTORY)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PLUGBAY_PLUGIN_DIRECTORY})
  endif()
  if(PLUGBAY_PLUGIN_INSTALL_DIRECTORY)
    install(TARGETS ${name} LIBRARY DESTINATION ${PLUGBAY_PLUGIN_INSTALL_DIRECTORY})
  endif()
endfunction()
