/* producer: one instance of librdkafka's producer; see kafka.h */
