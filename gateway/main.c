/* main: the table of contents is command/command.h; every command is a file of its own beside it. */
#include "command/command.h"

/* A message in librdkafka is five small blocks, made by one thread and freed by another a little later: with glibc's malloc this is a
 * third of the sending thread's time. jemalloc reads this when it starts (jemalloc(3), TUNING): few arenas and memory that goes back
 * soon, because being small counts more here than the last of its speed. */
const char *malloc_conf = "narenas:2,dirty_decay_ms:200,muzzy_decay_ms:0";

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
