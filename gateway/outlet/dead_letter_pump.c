/* dead_letter_pump: undecodable records into the dead letters, replayed ones back into the journal */
