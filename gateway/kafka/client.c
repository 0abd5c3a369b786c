/* client: the checked configuration of librdkafka; see kafka.h */
