/* kafka_topics: see kafka_topics.h */
