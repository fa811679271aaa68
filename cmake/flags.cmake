# SPDX-License-Identifier: BSD-3-Clause
#
# Three sets of flags. tuza_warnings: everything compiled here. tuza_private:
# who may see the inside (the runtime and its unit tests), with the same
# TZ_DEBUG on both sides, since it changes structures. tuza_runtime_flags: the
# runtime alone.

add_library(tuza_warnings INTERFACE)
target_compile_options(tuza_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Wshadow;-Wconversion;-Wundef>
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>
    $<$<AND:$<BOOL:${TUZA_WERROR}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>)

add_library(tuza_private INTERFACE)
target_include_directories(tuza_private INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(tuza_private INTERFACE _GNU_SOURCE $<$<BOOL:${TUZA_DEBUG}>:TZ_DEBUG=1>)
target_link_libraries(tuza_private INTERFACE tuza_warnings Threads::Threads)
if(TUZA_SANITIZE MATCHES "address|thread")
    # The switch tells the sanitizer about stacks: C finds out by itself, the assembly can't.
    target_compile_definitions(tuza_private INTERFACE $<$<COMPILE_LANGUAGE:ASM>:TZ_INSTRUMENTED=1>)
endif()

# Sibling calls: the hot entries end in a jump to the switch (tests/disasm.sh
# looks). Unwind tables at every instruction: tracebacks start anywhere.
# Inside the shared library our own symbols are ours.
add_library(tuza_runtime_flags INTERFACE)
target_compile_definitions(tuza_runtime_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:TZ_RUNTIME=1>)
target_compile_options(tuza_runtime_flags INTERFACE
    $<$<COMPILE_LANGUAGE:ASM>:-g>
    $<$<COMPILE_LANGUAGE:C>:-fasynchronous-unwind-tables;-fno-semantic-interposition>
    $<$<AND:$<COMPILE_LANGUAGE:C>,$<CONFIG:Release,RelWithDebInfo>>:-foptimize-sibling-calls>)
if(tuza_cpu STREQUAL "amd64")
    # Goroutines have no shadow stack: landing pads, but no SHSTK note, so that loaders leave it off.
    target_compile_options(tuza_runtime_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-fcf-protection=branch>)
endif()

if(TUZA_SANITIZE)
    add_compile_options(-fsanitize=${TUZA_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${TUZA_SANITIZE})
    if(TUZA_SANITIZE MATCHES "undefined")
        add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=undefined>)
    endif()
endif()
