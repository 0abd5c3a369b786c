#!/usr/bin/env python3
"""Is the binary hardened? What compiler and linker were asked for is looked up in what they made, by readelf alone.

    python3 tests/check/hardening.py build-gcc/penstock build-gcc/libroom_*.a

Of the archives every object has to be marked for CET; the binary itself is not where the C library's start files are not (Debian 12).
"""
import platform
import re
import subprocess
import sys


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], check=True, capture_output=True, text=True,
                          env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout


def of_binary(path):
    """What it lacks."""
    dynamic, segments = readelf("-d", path), readelf("-l", path)
    symbols = readelf("--dyn-syms", path)
    flags = set(re.findall(r"\b[A-Z_0-9]+\b", " ".join(re.findall(r"\(FLAGS(?:_1)?\)(.*)", dynamic))))
    rules = (
        (re.search(r"Type:\s+DYN", readelf("-h", path)) and "PIE" in flags, "it is not position independent (-pie)"),
        ("GNU_RELRO" in segments, "what is relocated stays writable (-z relro)"),
        (flags >= {"BIND_NOW", "NOW"}, "functions are bound late, and their table stays writable (-z now)"),
        (re.search(r"GNU_STACK\s.*\sRW\s", segments), "the stack may be executed (-z noexecstack)"),
        (not re.search(r"LOAD\s.*\sRWE\s", segments), "a segment is writable and executable"),
        ("(TEXTREL)" not in dynamic and "TEXTREL" not in flags, "its code is relocated"),
        ("(RPATH)" not in dynamic and "(RUNPATH)" not in dynamic, "it looks for libraries in places of its own (-rpath)"),
        ("__stack_chk_fail" in symbols, "no stack protector (-fstack-protector-strong)"),
        (re.search(r"\b__\w+_chk@", symbols), "no fortified calls (-D_FORTIFY_SOURCE=3)"),
    )
    return [text for holds, text in rules if not holds]


def of_archive(path):
    """Which objects are not marked."""
    objects = re.split(r"^File: ", readelf("-n", path), flags=re.M)[1:]
    return [f"{text.splitlines()[0]}: no mark of CET (-fcf-protection=full)" for text in objects
            if platform.machine() == "x86_64" and "x86 feature: IBT, SHSTK" not in text]


def main(paths):
    found = [f"{path}: {text}" for path in paths for text in (of_archive if path.endswith(".a") else of_binary)(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
