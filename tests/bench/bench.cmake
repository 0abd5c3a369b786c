# The programs of tests/bench: references, load generators. LMDB and libmosquitto are for columns that are empty without them.
function(penstock_bench name folder)
    add_executable(${name} tests/bench/${folder}/${name}.c tests/bench/tool.c)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(${name} PRIVATE penstock_flags ${ARGN})
endfunction()

penstock_bench(raw_post reference)
penstock_bench(raw_sink reference)
penstock_bench(plain_commit reference)
penstock_bench(line_commit reference)
penstock_bench(file_commit reference)
penstock_bench(kafka_produce reference PkgConfig::RDKAFKA)
penstock_bench(raw_mqtt reference)
penstock_bench(http_load load)
penstock_bench(mqtt_load load)
target_sources(mqtt_load PRIVATE tests/bench/load/mqtt_hold.c tests/bench/load/mqtt_tape.c tests/bench/load/mqtt_wire.c)
penstock_bench(journal_load load room_journal)

find_library(LMDB lmdb)
if(LMDB)
    penstock_bench(lmdb_commit reference ${LMDB})
endif()

find_library(MOSQUITTO mosquitto)
if(MOSQUITTO)
    penstock_bench(mosq_drain reference ${MOSQUITTO})
endif()

# Preloaded into the product, so it is not made with the flags of programs.
add_library(malloc_count SHARED tests/bench/malloc_count.c)
target_compile_definitions(malloc_count PRIVATE _GNU_SOURCE)
target_compile_options(malloc_count PRIVATE -O2 -Wall -Wextra)
set_target_properties(malloc_count PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
