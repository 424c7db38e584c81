# SPDX-License-Identifier: MIT
# ptirq_install_library(TARGET HEADERS h...), called in client-lib: the shared library with its headers, ptirq.pc and
# the CMake package, so that both `pkg-config ptirq` and find_package(ptirq) work for others.

include(CMakePackageConfigHelpers)

function(ptirq_install_library target)
    cmake_parse_arguments(ARG "" "" "HEADERS" ${ARGN})
    set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ptirq)

    install(TARGETS ${target} EXPORT ptirqTargets
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
            INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(FILES ${ARG_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

    # Relocatable: the prefix is found from where ptirq.pc lies.
    file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/ptirq.pc.in ptirq.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ptirq.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

    install(EXPORT ptirqTargets NAMESPACE ptirq:: DESTINATION ${package})
    configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/ptirqConfig.cmake.in
                                  ptirqConfig.cmake INSTALL_DESTINATION ${package})
    write_basic_package_version_file(ptirqConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ptirqConfig.cmake
                  ${CMAKE_CURRENT_BINARY_DIR}/ptirqConfigVersion.cmake
            DESTINATION ${package})
endfunction()
