/* main: the table of contents is command/command.h; every command is a file of its own beside it. */
#include "command/command.h"

const char *malloc_conf = "narenas:2,dirty_decay_ms:200,muzzy_decay_ms:0";

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
