"""A machine with a systemd of its own: this one's /usr, everything else empty and thrown away (systemd-nspawn)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil

from tests.docs.source import ROOT

BOOT_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 120.0
POLL_S = 0.2
SYSTEMD = "/usr/lib/systemd/systemd"
NOT_WANTED = ("systemd-networkd-wait-online.service", "systemd-logind.service")
PYTHON = Path("/opt/python")
PACKAGES = "/opt/packages"
SOURCE = "/opt/source"
PROGRAM = """\
#!/opt/twofold/.venv/bin/python
from twofold.cli.main import main
main()
"""
LIBRARY_PATH = """\
# Only this test's: here Python's shared library lies where no installed one would.
[Service]
Environment=LD_LIBRARY_PATH=/opt/python/lib
"""


def why_not() -> str | None:
    """Why no machine can be started here, or None."""
    if os.getuid() != 0:
        return "systemd-nspawn needs root"
    if shutil.which("systemd-nspawn") is None:
        return "systemd-nspawn is not installed (Debian: systemd-container)"
    if not os.path.exists(SYSTEMD):
        return "systemd is not installed"
    if not all(os.path.islink(f"/{name}") for name in ("bin", "lib")):
        return "/usr is not the whole system here (no merged /usr)"
    return None


class Machine:
    """Boots in a context; `root` is its file system as seen from outside, but for /usr, /run and mounts."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._local = folder / "local"
        self._log = folder / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("etc/systemd/system", "var", "tmp", "usr", "root", "opt", "srv", "mnt", "home"):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            if os.path.islink(f"/{name}"):
                (self.root / name).symlink_to(f"usr/{name}")
        shutil.copy("/usr/lib/os-release", self.root / "etc" / "os-release")
        for name in NOT_WANTED:
            (self.root / "etc/systemd/system" / name).symlink_to("/dev/null")

    def install(self) -> None:
        """Twofold as an owner has it: a virtual environment in /opt/twofold, and `make install-service`."""
        make = ["make", "-s", "install-service", f"DESTDIR={self._local}"]
        subprocess.run(make, cwd=ROOT, check=True, capture_output=True)
        environment = self.root / "opt/twofold/.venv"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = environment / "lib" / version / "site-packages"
        packages.mkdir(parents=True)
        (packages / "installed.pth").write_text(f"{SOURCE}\n{PACKAGES}\n")
        (environment / "pyvenv.cfg").write_text(f"home = {PYTHON}/bin\n")
        (environment / "bin").mkdir()
        (environment / "bin" / "python").symlink_to(PYTHON / "bin" / version)
        program = environment / "bin" / "twofold"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        self.drop_in("python.conf", LIBRARY_PATH)

    def drop_in(self, name: str, text: str) -> None:
        folder = self.root / "etc/systemd/system/twofold.service.d"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    def __enter__(self) -> Machine:
        (self._local / "usr/local").mkdir(parents=True, exist_ok=True)
        command = [
            *(
                "systemd-nspawn",
                "--quiet",
                f"--directory={self.root}",
                "--register=no",
                "--keep-unit",
                "--console=pipe",
            ),
            *(f"--machine=twofold-{os.getpid()}", "--resolv-conf=off", "--timezone=off"),
            *("--bind-ro=/usr", f"--bind-ro={self._local}/usr/local:/usr/local"),
            *(f"--bind-ro={sys.base_prefix}:{PYTHON}", f"--bind-ro={sysconfig.get_path('purelib')}:{PACKAGES}"),
            *(f"--bind-ro={ROOT}/daemon:{SOURCE}", "--boot", "systemd.unit=basic.target"),
        ]
        # In the old hierarchy a systemd inside of a container never hears that a control group is empty.
        environment = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_for_boot()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        init = self._init()
        if init is not None:
            init.kill()  # of PID 1: the kernel ends all that is inside
        try:
            self._process.wait(BOOT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside, as root; its output, both streams."""
        done = self._inside(*command)
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}\n{self.journal()}"
        return done.stdout.strip()

    def journal(self) -> str:
        return self._inside("journalctl", "--no-pager", "-u", "twofold", "-n", "200", "-o", "cat").stdout

    def unit(self, name: str) -> str:
        """One property of the service's unit."""
        return self.run("systemctl", "show", "twofold", f"--property={name}", "--value")

    def _inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        init = self._init()
        assert init is not None, f"it does not run\n{self._log.read_text(errors='replace')}"
        return subprocess.run(
            ["nsenter", f"--target={init.pid}", "--all", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def _init(self) -> psutil.Process | None:
        """PID 1 of the machine, as a process of this one."""
        assert self._process is not None
        try:
            children = psutil.Process(self._process.pid).children()
        except psutil.NoSuchProcess:
            return None
        return next((child for child in children if child.name() == "systemd"), None)

    def _wait_for_boot(self) -> None:
        deadline_s = time.monotonic() + BOOT_TIMEOUT_S
        while self._init() is None or self._inside("systemctl", "is-active", "basic.target").returncode != 0:
            assert time.monotonic() < deadline_s, f"not booted\n{self._log.read_text(errors='replace')}"
            time.sleep(POLL_S)
