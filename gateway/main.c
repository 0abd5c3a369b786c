/* main: the table of contents is command/command.h; every command is a file of its own beside it. */
#include "command/command.h"

#include <malloc.h>

int main(int argc, char **argv)
{
    /* A message in librdkafka is five small blocks, made by one thread and freed by it a little later. In glibc's fastbins they pile up
     * and are joined again and again: a third of that thread's time. */
    mallopt(M_MXFAST, 0);
    return command_main(argc, argv);
}
