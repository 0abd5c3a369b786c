/* files: the directory of dead letters, its lock and its names; see dead_letter.h */
