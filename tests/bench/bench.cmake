# The programs of tests/bench: references, load generators. LMDB is one column of one row; without it that column is empty.
function(penstock_bench name folder)
    add_executable(${name} tests/bench/${folder}/${name}.c tests/bench/tool.c)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(${name} PRIVATE penstock_flags ${ARGN})
endfunction()

penstock_bench(raw_post reference)
penstock_bench(raw_sink reference)
penstock_bench(plain_commit reference)
penstock_bench(kafka_produce reference PkgConfig::RDKAFKA)
penstock_bench(http_load load)
penstock_bench(journal_load load room_journal)

find_library(LMDB lmdb)
if(LMDB)
    penstock_bench(lmdb_commit reference ${LMDB})
endif()
