/* kafka_render: see kafka_render.h */
