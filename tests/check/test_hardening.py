"""The check of the binary finds what is missing: run against programs that are built without one thing each."""

import subprocess

import pytest

import hardening

FLAGS = {"pie": "-pie", "relro": "-Wl,-z,relro", "now": "-Wl,-z,now", "stack": "-Wl,-z,noexecstack", "rpath": "-Wl,--enable-new-dtags",
         "protector": "-fstack-protector-all", "fortify": "-D_FORTIFY_SOURCE=2"}
SOURCE = """#include <stdio.h>
#include <string.h>
int main(int count, char **arguments)
{
    char text[16];
    strncpy(text, arguments[0], (unsigned)count);
    printf("%s", text);
}
"""


def build(folder, **changed):
    (folder / "a.c").write_text(SOURCE)
    flags = (FLAGS | changed).values()
    subprocess.run(["gcc", "-O2", "-w", "-fPIE", "-U_FORTIFY_SOURCE", *flags, "-o", folder / "a", folder / "a.c"], check=True)
    return hardening.of_binary(str(folder / "a"))


def test_nothing_is_missing(tmp_path):
    assert build(tmp_path) == []


@pytest.mark.parametrize("flag, instead, said", (
    ("pie", "-no-pie", "-pie"), ("relro", "-Wl,-z,norelro", "-z relro"), ("now", "-Wl,-z,lazy", "-z now"),
    ("stack", "-Wl,-z,execstack", "-z noexecstack"), ("rpath", "-Wl,-rpath,/srv", "-rpath"),
    ("protector", "-fno-stack-protector", "-fstack-protector"), ("fortify", "-D_FORTIFY_SOURCE=0", "-D_FORTIFY_SOURCE")))
def test_one_thing_is_missing(tmp_path, flag, instead, said):
    found = build(tmp_path, **{flag: instead})
    assert len(found) == 1 and said in found[0]


@pytest.mark.parametrize("protection, found", (("full", 0), ("none", 1)))
def test_objects_are_marked(tmp_path, protection, found):
    (tmp_path / "a.c").write_text("int f(void) { return 1; }\n")
    subprocess.run(["gcc", f"-fcf-protection={protection}", "-c", "-o", tmp_path / "a.o", tmp_path / "a.c"], check=True)
    subprocess.run(["ar", "rc", tmp_path / "a.a", tmp_path / "a.o"], check=True)
    assert len(hardening.of_archive(str(tmp_path / "a.a"))) == (found if hardening.platform.machine() == "x86_64" else 0)
