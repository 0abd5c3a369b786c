/* statistics: what of librdkafka's statistics the metrics show; see kafka.h */
