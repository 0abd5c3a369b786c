/* kafka: the Kafka outlet: its options, its thread, what it tells the outside; see outlet.h */
