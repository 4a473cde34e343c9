# Slicer writes <extension>Config.cmake here, for extensions that depend on this one; nothing of it is installed.
foreach(_name EXTENSION_NAME EXTENSION_DEPENDS EXTENSION_HOMEPAGE EXTENSION_DESCRIPTION)
  if("${${_name}}" STREQUAL "")
    message(FATAL_ERROR "${_name} is empty")
  endif()
endforeach()
