/* kafka_pump: see kafka_pump.h */
