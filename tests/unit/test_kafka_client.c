/* test_kafka_client: the properties: house defaults, what is refused and where, files, secrets */
#include "kafka/kafka.h"

#include <criterion/criterion.h>

Test(kafka_client, is_configured_by_any_property)
{
    struct config *config;
    const char *set = "kafka.properties={bootstrap.servers: localhost:1}";

    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    cr_assert_not(kafka_is_configured(config));
    config_free(&config);
    cr_assert_eq(config_load(&config, NULL, &set, 1), 0);
    cr_assert(kafka_is_configured(config));
    config_free(&config);
}
