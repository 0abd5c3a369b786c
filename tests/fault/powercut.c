/* powercut: powercut MOUNTPOINT shuts the filesystem down at once, without writing its log: what was not synced is
 * gone after the next mount, and that mount replays the filesystem's own journal. ext4 and XFS; needs root.
 * (The ioctl is XFS_IOC_GOINGDOWN = EXT4_IOC_SHUTDOWN; 2 is their "no log flush".)
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int count, char **arguments)
{
    uint32_t no_log_flush = 2;
    int fd = count == 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY) : -1;
    if (fd < 0 || ioctl(fd, _IOR('X', 125, uint32_t), &no_log_flush) != 0) {
        perror(count == 2 ? arguments[1] : "usage: powercut MOUNTPOINT");
        return 1;
    }
    return 0;
}
