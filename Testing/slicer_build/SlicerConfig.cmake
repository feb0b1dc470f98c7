# Stands in for a build of Slicer 5.12 where an extension is configured, installed and packed without one. It knows only
# what an extension of Python modules needs, and is written after the behaviour of Slicer's own files:
# CMake/SlicerMacroBuildScriptedModule.cmake, CMake/SlicerExtensionCPack.cmake and CTK's ctkMacroCompilePythonScript.cmake.

set(Slicer_VERSION_MAJOR 5)
set(Slicer_VERSION_MINOR 12)
set(Slicer_VERSION 5.12)
set(Slicer_REVISION 0)
set(Slicer_OS linux)
set(Slicer_ARCHITECTURE amd64)
set(Slicer_USE_PYTHONQT ON)

set(Slicer_SHARE_DIR share/Slicer-${Slicer_VERSION})
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-${Slicer_VERSION}/qt-scripted-modules)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR ./${Slicer_QTSCRIPTEDMODULES_LIB_DIR})

set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionGenerateConfig.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionCPack.cmake)
