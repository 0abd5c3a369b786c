/* dead_letter_replay: letters that people gave back */
