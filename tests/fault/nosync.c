/* nosync: LD_PRELOAD library of the negative control: nothing is ever synced. A power cut must lose then; a test that sees
 * no loss here would see none anywhere.
 */
int fsync(int fd);
int fdatasync(int fd);
int sync_file_range(int fd, long offset, long length, unsigned flags);

int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int sync_file_range(int fd, long offset, long length, unsigned flags)
{
    (void)fd;
    (void)offset;
    (void)length;
    (void)flags;
    return 0;
}
