/* report: what librdkafka's error codes mean for a message, a topic, a producer; see kafka.h */
