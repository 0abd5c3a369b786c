/* letter: one dead letter as a line of JSON, and back; see dead_letter.h */
