"""A certificate authority for a test, by openssl; all PEM."""

import pathlib
import subprocess

EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


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

    def issue(self, name, password=None):
        """A certificate for localhost, its subject CN=name, its key encrypted when there is a password."""
        secret = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        openssl(self.folder, "req", *NEW_KEY, *secret, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / "extensions").write_text(EXTENSIONS)
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "3650", "-extfile", "extensions", "-out", f"{name}.crt")
        pem = self.folder / f"{name}.pem"
        pem.write_bytes((self.folder / f"{name}.key").read_bytes() + (self.folder / f"{name}.crt").read_bytes())
        return pem
