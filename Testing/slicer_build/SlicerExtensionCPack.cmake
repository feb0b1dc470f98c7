# The description by which the Extensions Manager knows the extension, and the archive.

if(NOT "${EXTENSION_NAME}" STREQUAL "${PROJECT_NAME}")
  message(FATAL_ERROR "EXTENSION_NAME [${EXTENSION_NAME}] differs from PROJECT_NAME [${PROJECT_NAME}]")
endif()
foreach(file EXTENSION_LICENSE_FILE EXTENSION_README_FILE)
  if(NOT EXISTS "${${file}}")
    message(FATAL_ERROR "${file} points to an inexistent file: ${${file}}")
  endif()
endforeach()

set(description "scm git\nscmurl NA\nscmrevision NA\nbuild_subdirectory .\nenabled 1\n")
foreach(key DEPENDS HOMEPAGE CONTRIBUTORS CATEGORY ICONURL DESCRIPTION SCREENSHOTURLS)
  string(TOLOWER ${key} lower)
  string(APPEND description "${lower} ${EXTENSION_${key}}\n")
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/${EXTENSION_NAME}.s4ext "${description}")
install(FILES ${CMAKE_BINARY_DIR}/${EXTENSION_NAME}.s4ext DESTINATION ./${Slicer_SHARE_DIR}
  COMPONENT RuntimeLibraries)

set(CPACK_GENERATOR TGZ)
set(CPACK_MONOLITHIC_INSTALL ON)
set(CPACK_RESOURCE_FILE_LICENSE ${EXTENSION_LICENSE_FILE})
set(CPACK_PACKAGE_DESCRIPTION_FILE ${EXTENSION_README_FILE})
set(CPACK_PACKAGE_FILE_NAME "${Slicer_REVISION}-${Slicer_OS}-${Slicer_ARCHITECTURE}-${EXTENSION_NAME}")
include(CPack)
