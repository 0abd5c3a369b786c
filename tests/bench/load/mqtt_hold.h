/* mqtt_hold: connections that say CONNECT and nothing more. Modes of mqtt_load; -1 when the arguments are not theirs. */
#ifndef PENSTOCK_BENCH_MQTT_HOLD_H
#define PENSTOCK_BENCH_MQTT_HOLD_H

/* As many descriptors as the system lets this process have. */
void mqtt_hold_limits(void);

/* HOST PORT CONNECTIONS: opens them and holds them until standard input ends. One line of JSON when all have their CONNACK, one at the end
 * with how many the server closed meanwhile. */
int mqtt_hold_idle(int count, char **arguments);

/* HOST PORT CONNECTIONS AT-ONCE: opens so many one after another, AT-ONCE at a time without an answer, and drops each behind its CONNACK:
 * in turn with a DISCONNECT, without, and by a reset. Reports the latency from connect() to CONNACK. */
int mqtt_hold_churn(int count, char **arguments);

#endif
