/* kafka_window: see kafka_window.h */
