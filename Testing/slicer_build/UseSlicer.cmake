# The two macros that the extension's CMake files call, and the defaults of its description.

set(EXTENSION_NAME ${PROJECT_NAME})
include(CTest)

# Copies what is listed into the build tree and installs that tree. A listed file that is missing is an error; a file
# on disk that nobody listed is left out without a word, which is why the lists are compared with the disk elsewhere.
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords given to slicerMacroBuildScriptedModule(): \"${MODULE_UNPARSED_ARGUMENTS}\"")
  endif()
  if(NOT DEFINED MODULE_NAME)
    message(FATAL_ERROR "NAME is mandatory")
  endif()
  foreach(kind SCRIPTS RESOURCES)
    foreach(file ${MODULE_${kind}})
      if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file} OR IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/${file})
        message(FATAL_ERROR "slicerMacroBuildScriptedModule(${kind}) given nonexistent file or directory '${file}'")
      endif()
      get_filename_component(folder ${file} DIRECTORY)
      file(COPY ${CMAKE_CURRENT_SOURCE_DIR}/${file}
        DESTINATION ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/${folder})
    endforeach()
  endforeach()
  install(DIRECTORY ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/
    DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR} COMPONENT RuntimeLibraries USE_SOURCE_PERMISSIONS)
  if(BUILD_TESTING AND MODULE_WITH_GENERIC_TESTS)
    slicer_add_python_unittest(SCRIPT qSlicer${MODULE_NAME}ModuleGenericTest.py TESTNAME_PREFIX nomainwindow_)
  endif()
endmacro()

# Registers the test under Slicer's name for it. It cannot run here: there is no application.
macro(slicer_add_python_unittest)
  cmake_parse_arguments(UNITTEST "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  get_filename_component(test_name ${UNITTEST_SCRIPT} NAME_WE)
  if(NOT UNITTEST_TESTNAME_PREFIX AND NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${UNITTEST_SCRIPT})
    message(FATAL_ERROR "slicer_add_python_unittest given nonexistent file '${UNITTEST_SCRIPT}'")
  endif()
  add_test(NAME py_${UNITTEST_TESTNAME_PREFIX}${test_name} COMMAND ${CMAKE_COMMAND} -E false)
endmacro()
