# Stands for the SlicerConfig.cmake of a Slicer build: what the lists of a scripted extension ask of it, no more. Written
# for the tests after Slicer's CMake/SlicerConfig.cmake.in, UseSlicer.cmake.in, SlicerMacroBuildScriptedModule.cmake and
# SlicerExtensionCPack.cmake; it copies and refuses what they copy and refuses, and builds nothing else.
set(Slicer_VERSION_MAJOR 5)
set(Slicer_VERSION_MINOR 12)

# As on Linux and Windows; on macOS Slicer puts "Slicer.app/Contents/Extensions-<revision>/CMAformer/" before them.
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-${Slicer_VERSION_MAJOR}.${Slicer_VERSION_MINOR}/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
set(Slicer_SHARE_DIR "share/Slicer-${Slicer_VERSION_MAJOR}.${Slicer_VERSION_MINOR}")

set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionGenerateConfig.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionCPack.cmake")
