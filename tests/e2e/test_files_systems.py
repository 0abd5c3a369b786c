"""Some tests of watched files and of spools once more, on each kind of filesystem: they differ in when an inode is used again, in how exact their times
are, in holes, and in what they tell of a file's birth. What a test here is for stands where it is imported from.

Mounting needs root and loop devices; an inode that a filesystem does not use again in many tries is skipped and says so."""

import pytest

from test_files_copies import test_copytruncate_while_it_is_stopped, test_cut_under_a_writer_that_goes_on_at_its_old_place  # noqa: F401
from tailing import tail  # noqa: F401
from test_files_rotation import (test_inode_of_the_deleted_file_for_another_name, test_inode_used_again_while_it_is_stopped,  # noqa: F401
                                 test_rename_and_create, test_ten_rotations_while_it_is_stopped)
from test_files_spool import test_a_file_that_changes_afterwards_is_read_on, test_an_inode_that_is_used_again  # noqa: F401

SIZES = {"ext4": 64 << 20, "xfs": 320 << 20, "tmpfs": 64 << 20}


@pytest.fixture(params=SIZES)
def gateway(request, mount, gateway):
    """The files lie on a filesystem of their own, beside the gateway's data."""
    gateway.folder = mount(request.param, SIZES[request.param]).point
    return gateway
