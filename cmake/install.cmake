# SPDX-License-Identifier: BSD-3-Clause
#
# What `make install` copies. The pkg-config file and the CMake package find
# their folders relative to themselves, so an installed tree may be moved.
include(CMakePackageConfigHelpers)

install(TARGETS tuza tuza_static EXPORT tuzaTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/tuza.h include/tuza.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/tuza DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

set(tuza_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tuza)
install(EXPORT tuzaTargets NAMESPACE tuza:: DESTINATION ${tuza_cmake_dir})
configure_package_config_file(cmake/tuzaConfig.cmake.in tuzaConfig.cmake INSTALL_DESTINATION ${tuza_cmake_dir})
# Until 1.0 every minor version may break: 0.1 is not 0.2.
write_basic_package_version_file(tuzaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tuzaConfig.cmake ${PROJECT_BINARY_DIR}/tuzaConfigVersion.cmake
    DESTINATION ${tuza_cmake_dir})

# ${pcfiledir} where the folders are below the prefix, as they nearly always are.
set(tuza_pc_prefix ${CMAKE_INSTALL_PREFIX})
set(tuza_pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
set(tuza_pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" AND NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(tuza_pc_prefix "\${pcfiledir}/${up}")
    set(tuza_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(tuza_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/tuza.pc.in tuza.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tuza.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Manual pages are made of the headers, where there is a Python to do it.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
    file(GLOB tuza_headers CONFIGURE_DEPENDS include/*.h include/*.hpp include/tuza/*.h include/tuza/*.hpp)
    add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/man/made
        COMMAND ${CMAKE_COMMAND} -E rm -rf ${PROJECT_BINARY_DIR}/man
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/manpages.py ${PROJECT_SOURCE_DIR}
            ${PROJECT_BINARY_DIR}/man
        COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/man/made
        DEPENDS ${PROJECT_SOURCE_DIR}/scripts/manpages.py ${tuza_headers}
        COMMENT "Manual pages" VERBATIM)
    add_custom_target(tuza_man ALL DEPENDS ${PROJECT_BINARY_DIR}/man/made)
    install(DIRECTORY ${PROJECT_BINARY_DIR}/man/man3 ${PROJECT_BINARY_DIR}/man/man7 DESTINATION ${CMAKE_INSTALL_MANDIR})
endif()
