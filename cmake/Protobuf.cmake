# SPDX-License-Identifier: MIT
# ptirq_protobuf_c(TARGET file.proto): generates file.pb-c.{c,h} in the current build directory
# and adds them to TARGET, which alone sees the header.

function(ptirq_protobuf_c target proto)
    find_program(PROTOC_C protoc-c REQUIRED)
    get_filename_component(name ${proto} NAME_WE)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.pb-c)
    add_custom_command(
        OUTPUT ${out}.c ${out}.h
        COMMAND ${PROTOC_C} --c_out=${CMAKE_CURRENT_BINARY_DIR}
                --proto_path=${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
        VERBATIM)
    target_sources(${target} PRIVATE ${out}.c ${out}.h)
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
    # Generated, not ours: its style is not held to our warnings.
    set_source_files_properties(${out}.c PROPERTIES COMPILE_OPTIONS "-w")
    pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
    target_link_libraries(${target} PUBLIC PkgConfig::PROTOBUF_C)
endfunction()
