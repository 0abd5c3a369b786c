/* fuzz_mqtt_packet: what the first byte of its inputs says. */
#ifndef PENSTOCK_TESTS_FUZZ_MQTT_PACKET_H
#define PENSTOCK_TESTS_FUZZ_MQTT_PACKET_H

#include "mqtt_golden.h"

#define CHOICE_VERSION 0x03 /* none, 3.1, 3.1.1, 5 */
#define CHOICE_QOS_1 0x04 /* of a body that is a PUBLISH's */
/* The upper four bits: the type whose body it is, or */
#define CHOICE_CONNECTION 0 /* packets with their headers */

#endif
