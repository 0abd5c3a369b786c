/* store: the gateway's side of the dead letters; see dead_letter.h */
