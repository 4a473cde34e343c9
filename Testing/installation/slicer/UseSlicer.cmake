# The commands that the lists of a scripted module call.
set(EXTENSION_NAME "${PROJECT_NAME}")
include(CTest)  # BUILD_TESTING, as Slicer's extensions have it

# Copies the named files into the build, compiles them, and installs that folder of the build as a whole.
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(_module "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(_module_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule does not know ${_module_UNPARSED_ARGUMENTS}")
  endif()
  if("${_module_NAME}" STREQUAL "")
    message(FATAL_ERROR "slicerMacroBuildScriptedModule needs NAME")
  endif()
  set(_folder "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
  foreach(_file IN LISTS _module_SCRIPTS _module_RESOURCES)
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${_file}")
      message(FATAL_ERROR "slicerMacroBuildScriptedModule was given ${_file}, which is not there")
    endif()
    configure_file("${_file}" "${_folder}/${_file}" COPYONLY)
  endforeach()
  execute_process(
    COMMAND "${PYTHON_EXECUTABLE}" -m compileall -q -f "${_folder}"
    RESULT_VARIABLE _failed
    )
  if(_failed)
    message(FATAL_ERROR "The scripts of ${_module_NAME} cannot be compiled")
  endif()
  install(DIRECTORY "${_folder}/" DESTINATION "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}" USE_SOURCE_PERMISSIONS)
endmacro()

# Slicer runs the test classes of the script; here it must at least be there, and is known to ctest by its name.
macro(slicer_add_python_unittest)
  cmake_parse_arguments(_test "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS" ${ARGN})
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${_test_SCRIPT}")
    message(FATAL_ERROR "slicer_add_python_unittest was given ${_test_SCRIPT}, which is not there")
  endif()
  get_filename_component(_test_name "${_test_SCRIPT}" NAME_WE)
  add_test(NAME "py_${_test_TESTNAME_PREFIX}${_test_name}" COMMAND Slicer --testing)
endmacro()
