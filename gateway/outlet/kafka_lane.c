/* kafka_lane: see kafka_lane.h */
