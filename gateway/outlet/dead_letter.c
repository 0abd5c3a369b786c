/* dead_letter: the dead-letter outlet, its thread; see outlet.h */
