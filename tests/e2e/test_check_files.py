"""`penstock check` and the files that it opens; secrets that cross a network in clear."""

import pytest

import penstock
import tls
from penstock import run_command
from test_access import Guarded


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = tls.authority(tmp_path_factory.mktemp("tls") / "ca")
    made.issue("ended", days=-1)
    return made


def check(tmp_path, text):
    (tmp_path / "penstock.yaml").write_text(text)
    return run_command("check", "-c", "penstock.yaml", cwd=tmp_path)


def test_check_looks_at_certificates(tmp_path, authority):
    """Each with the line and column of the option that is wrong."""
    folder = authority.folder
    open_key = tmp_path / "open.key"
    open_key.write_bytes((folder / "server.key").read_bytes())
    open_key.chmod(0o644)
    (tmp_path / "no.crt").write_text("nothing")
    good = {"certificate": folder / "server.crt", "key": folder / "server.key", "client_ca": authority.certificate}
    for listener in ("http", "mqtt", "admin"):
        lines = lambda **other: f"{listener}:\n  tls:\n" + "".join(f"    {name}: {value}\n" for name, value in {**good, **other}.items())  # noqa: E731
        sound = check(tmp_path, lines())
        assert (sound.returncode, sound.stderr) == (0, ""), sound
        for number, name, value, why in ((3, "certificate", "/nowhere.crt", "No such file"), (3, "certificate", tmp_path / "no.crt", "holds no certificate"),
                                         (4, "key", "/nowhere.key", "No such file"), (4, "key", open_key, "chmod 600"),
                                         (4, "key", folder / "client.key", "is not the key of the first certificate"),
                                         (5, "client_ca", "/nowhere.crt", "No such file"), (5, "client_ca", tmp_path / "no.crt", "no.crt: ")):  # fmt: skip
            done = check(tmp_path, lines(**{name: value}))
            assert done.returncode == 1 and not done.stdout, (listener, name, done)
            assert done.stderr.startswith(f"penstock.yaml:{number}:{7 + len(name)}: {listener}.tls.{name}: {value}"), done.stderr
            assert why in done.stderr and done.stderr.count("\n") == 1, done.stderr
        ended = check(tmp_path, lines(certificate=folder / "ended.crt", key=folder / "ended.key"))
        assert ended.returncode == 0 and ended.stdout, "it starts with it, and says so"
        assert ended.stderr == (f"penstock check: warning: penstock.yaml:3:18: {listener}.tls.certificate: "
                                f"{folder}/ended.crt: it has ended: clients refuse it\n")  # fmt: skip


def test_check_names_all_of_them(tmp_path):
    done = check(tmp_path, "http: {tls: {certificate: /a, key: /b}}\nmqtt: {tls: {certificate: /c, key: /d}}\n")
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["http.tls.certificate", "mqtt.tls.certificate"]


def test_others_need_not_read_them(tmp_path):
    (tmp_path / "penstock.yaml").write_text("http: {tls: {certificate: /nowhere, key: /nowhere}}\n")
    assert "nowhere" not in run_command("dead-letters", "list", "-c", "penstock.yaml", cwd=tmp_path).stderr


# ---- secrets in clear ----


def test_secrets_in_clear_are_told(tmp_path, authority):
    with Guarded(tmp_path / "a", "http.listen=[127.0.0.1:0,0.0.0.0:0]", "mqtt.listen=0.0.0.0:0") as gateway:
        told = [line for line in gateway.said().splitlines() if "access.clear" in line]
        assert len(told) == 2 and all(" warn " in line and "0.0.0.0:0" in line for line in told)
        assert [name in line for name, line in zip(("http.tls", "mqtt.tls"), told)] == [True, True]
    checked = check(tmp_path, f"access: {{credentials: {gateway.file}}}\nhttp: {{listen: [127.0.0.1:0, 0.0.0.0:0]}}\n")
    assert checked.returncode == 0 and checked.stderr.startswith("penstock check: warning: penstock.yaml:2:30: http.listen: secrets come here in clear"), checked
    with Guarded(tmp_path / "b") as gateway:
        assert "access.clear" not in gateway.said()
    with Guarded(tmp_path / "c", "http.listen=0.0.0.0:0", *tls.sets(authority)) as gateway:
        assert "access.clear" not in gateway.said()
    with penstock.Gateway(tmp_path / "d", "http.listen=0.0.0.0:0", "http.anonymous=true") as gateway:
        assert "access.clear" not in gateway.said(), "there are none"
