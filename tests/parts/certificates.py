"""A certificate authority for a test, by openssl; all PEM."""

import pathlib
import subprocess
import time

BRIEF = """
[ca]
default_ca = brief
[brief]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
"""
NAMES = "DNS:localhost,IP:127.0.0.1"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
NEW_RSA_KEY = ["-newkey", "rsa:2048"]


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"


class Authority:
    """FOLDER/ca.crt, and per name NAME.crt, NAME.key and NAME.pem: key (PKCS#8) and certificate, what Kafka calls a PEM key store."""

    def __init__(self, folder, name="penstock test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        openssl(self.folder, "req", "-x509", *NEW_KEY, "-nodes", "-days", "3650", "-subj", f"/CN={name}", "-keyout", "ca.key",
                "-out", "ca.crt")

    @property
    def certificate(self):
        return self.folder / "ca.crt"

    def issue(self, name, password=None, key=NEW_KEY, days=3650, names=NAMES, purpose=None):
        """A certificate for localhost (or other names), its subject CN=name, its key encrypted when there is a password. With less than no days it has
        expired; purpose: serverAuth or clientAuth, when it is for nothing else."""
        secret = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        openssl(self.folder, "req", *key, *secret, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / "extensions").write_text(f"subjectAltName={names}\n" + (f"extendedKeyUsage={purpose}\n" if purpose else ""))
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", str(days), "-extfile", "extensions", "-out", f"{name}.crt")
        return self._join(name)

    def shorten(self, name, seconds):
        """An issued one anew, which ends so soon."""
        (self.folder / "brief.cnf").write_text(BRIEF)
        (self.folder / "index.txt").write_text("")
        ends = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))
        openssl(self.folder, "ca", "-batch", "-notext", "-config", "brief.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-startdate", "20200101000000Z",
                "-enddate", ends, "-in", f"{name}.csr", "-out", f"{name}.crt")  # fmt: skip
        return self._join(name)

    def _join(self, name):
        pem = self.folder / f"{name}.pem"
        pem.write_bytes((self.folder / f"{name}.key").read_bytes() + (self.folder / f"{name}.crt").read_bytes())
        return pem
