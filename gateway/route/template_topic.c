/* template_topic: the Kafka topic of a record; see route.h */
