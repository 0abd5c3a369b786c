/* import_options: the options of an import into a topic */
#include <criterion/criterion.h>
#include <string.h>

#include "import_options_harness.h"

TestSuite(import_topic, .fini = forget);

#define TO "--to", "kafka:rows", "--target", "x", "t"

Test(import_topic, belongs_together)
{
    TAKEN(TO, "--key", "a,b", "--kafka-property", "bootstrap.servers=k:9092", "--kafka-property=linger.ms=5",
        "--kafka-property-file", "sasl.password=f");
    cr_assert_str_eq(options.topic, "rows");
    cr_assert_eq(options.key.count, 2);
    cr_assert_str_eq(options.key.names[1], "b");
    cr_assert_eq(options.properties.count, 2);
    cr_assert_str_eq(options.properties.names[1], "linger.ms=5");
    cr_assert_eq(options.property_files.count, 1);
    TAKEN("--target", "x", "t");
    cr_assert_null(options.topic);
    REFUSED("is not kafka:TOPIC", "--to", "rows", "--target", "x", "t");
    REFUSED("has its manifest there", "--to", "kafka:rows", "t");
    REFUSED("are for --to kafka:TOPIC", "--target", "x", "t", "--key", "a");
    REFUSED("are for --to kafka:TOPIC", "--target", "x", "t", "--kafka-property", "a=b");
    REFUSED("are for --to kafka:TOPIC", "--target", "x", "t", "--kafka-property-file", "a=b");
    REFUSED("are for --to kafka:TOPIC", "--target", "x", "t", "--transactional");
    REFUSED("are for --to kafka:TOPIC", "--target", "x", "t", "--value", "envelope");
}

Test(import_topic, transactions_are_of_one_snapshot)
{
    TAKEN(TO);
    cr_assert_not(options.transactional);
    TAKEN(TO, "--transactional", "--resume");
    cr_assert(options.transactional);
    REFUSED("--resume=restart and =mixed do not go with it", TO, "--transactional", "--resume=mixed");
    REFUSED("--resume=restart and =mixed do not go with it", TO, "--resume=restart", "--transactional");
    REFUSED("--not-consistent does not go with it", TO, "--transactional", "--not-consistent");
    TAKEN(TO, "--resume=mixed", "--not-consistent");
}

Test(import_topic, records_are_json)
{
    TAKEN(TO);
    cr_assert_eq(options.file.format, TABLE_JSON_LINES);
    cr_assert_eq(options.types.format, TABLE_JSON_LINES);
    cr_assert_eq(options.file.codec, TABLE_CODEC_NONE);
    TAKEN(TO, "--format", "jsonl");
    REFUSED("records of a topic are JSON", TO, "--format", "parquet");
    REFUSED("records of a topic are JSON", TO, "--format=csv", "--header");
    REFUSED("are for --format csv", TO, "--header");
    REFUSED("compression.type=CODEC", TO, "--compression", "none");
    REFUSED("compression.type=CODEC", TO, "--level", "3");
    REFUSED("--append is for files", TO, "--append");
    TAKEN(TO, "--replace", "--resume");
}

Test(import_topic, records_are_avro_or_in_an_envelope)
{
    TAKEN(TO, "--format", "avro");
    cr_assert_eq(options.file.format, TABLE_AVRO);
    cr_assert_eq(options.types.format, TABLE_AVRO);
    TAKEN(TO, "--value", "envelope");
    cr_assert_eq(options.value, 1);
    TAKEN(TO, "--value", "payload", "--format", "avro");
    cr_assert_eq(options.value, 0);
    REFUSED("not around avro", TO, "--value", "envelope", "--format", "avro");
    REFUSED("none of payload|envelope", TO, "--value", "json");
}
