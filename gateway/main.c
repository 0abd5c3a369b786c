/* main: the table of contents is command/command.h; every command is a file of its own beside it. */
#include "command/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
