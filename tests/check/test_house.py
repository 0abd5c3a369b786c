"""Each house check finds a breach: run against samples that break one rule each."""

import house


def breaches(check, monkeypatch, files):
    monkeypatch.setattr(house, "tracked", lambda *patterns: list(files))
    monkeypatch.setattr(house, "text_of", lambda name: files[name])
    return list(check())


def test_file_size(monkeypatch):
    assert breaches(house.check_file_sizes, monkeypatch, {"a.c": "x\n" * 501})
    assert not breaches(house.check_file_sizes, monkeypatch, {"a.c": "x\n" * 500})


def test_function_size(monkeypatch, tmp_path):
    for lines, found in ((57, 0), (58, 1)):
        (tmp_path / "a.c").write_text("int f(void)\n{\n" + "    x();\n" * lines + "}\n")
        monkeypatch.setattr(house, "ROOT", tmp_path)
        assert len(breaches(house.check_function_sizes, monkeypatch, {"a.c": ""})) == found


def test_includes():
    for path, header, allowed in (
            ("journal/a.c", "base/file.h", True), ("journal/a.c", "record/record.h", True), ("journal/a.c", "journal/x.h", True),
            ("outlet/lake.c", "lake/lake.h", True), ("record/a.c", "journal/state.h", False), ("outlet/a.c", "journal/state.h", True),
            ("main.c", "command/command.h", True), ("pipeline/pipeline.c", "source/source.h", True), ("command/run.c", "pipeline/pipeline.h", True),
            ("journal/a.c", "lake/lake.h", False), ("source/a.c", "outlet/outlet.h", False), ("base/a.c", "record/record.h", False),
            ("outlet/a.c", "lake/store.h", False), ("decode/a.c", "route/route.h", False), ("attic/a.c", "base/file.h", False)):
        assert (house.include_breach(path, header) is None) == allowed, (path, header)


def test_include_scan(monkeypatch):
    assert breaches(house.check_includes, monkeypatch, {"gateway/base/a.c": '#include "record/record.h"\n'})
    assert breaches(house.check_includes, monkeypatch, {"gateway/decode/a.c": "#include <unistd.h>\n"})
    assert not breaches(house.check_includes, monkeypatch, {"gateway/base/a.c": "#include <unistd.h>\n"})
    assert breaches(house.check_includes, monkeypatch, {"importers/table/a.c": '#include "source/source.h"\n'})
    assert not breaches(house.check_includes, monkeypatch, {"importers/table/a.c": '#include "lake/column.h"\n'})
    assert breaches(house.check_includes, monkeypatch, {"importers/table/postgres/decode_time.c": "#include <unistd.h>\n"})


def test_banned_calls(monkeypatch):
    for line in ("strcpy(a, b);", "x = atoi (text);", "#define NDEBUG"):
        assert breaches(house.check_banned_calls, monkeypatch, {"gateway/a.c": line + "\n"})
    for line in ("/* strcpy(a, b) */", 'say("gets(x)");', "my_strcpy(a, b);", "x->system(1);"):
        assert not breaches(house.check_banned_calls, monkeypatch, {"gateway/a.c": line + "\n"})


def test_words_and_paths(monkeypatch):
    for line in ("/* TODO */", "a placeholder", "/root/x", "see shared/facts"):
        assert breaches(house.check_words_and_paths, monkeypatch, {"gateway/a.c": line + "\n"})
    for line in ("XXXXXX", "a/root/x", "shared by all"):
        assert not breaches(house.check_words_and_paths, monkeypatch, {"gateway/a.c": line + "\n"})


def test_excuses(monkeypatch):
    assert breaches(house.check_excuses, monkeypatch, {"gateway/a.c": "x(); /* GCOVR_EXCL_LINE */\n"})
    assert not breaches(house.check_excuses, monkeypatch, {"gateway/a.c": "x(); /* GCOVR_EXCL_LINE: memory is gone */\n"})
    assert not breaches(house.check_excuses, monkeypatch, {"gateway/a.c": "/* memory is gone: GCOVR_EXCL_START */\n"})


def test_named_tests(monkeypatch):
    tree = {"tests/fault/test_a.py": "def test_b():\n", "tests/unit/test_c.c": ""}
    for text, found in (("`tests/fault/test_a.py::test_b`, `test_b`, `test_a.py::test_b`, `tests/unit/test_c.c`", 0),
                        ("`test_x`", 1), ("`tests/fault/test_a.py::test_x`", 1), ("`tests/unit/test_d.c`", 1)):
        assert len(breaches(house.check_named_tests, monkeypatch, {**tree, "README.md": text})) == found, text


def test_opening_comment(monkeypatch):
    assert breaches(house.check_opening_comment, monkeypatch, {"gateway/a.c": "#include <a.h>\n"})
