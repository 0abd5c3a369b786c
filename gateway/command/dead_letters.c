/* dead_letters: `penstock dead-letters`, letters that no outlet can deliver */
