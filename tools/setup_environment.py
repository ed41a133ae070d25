"""Makes `.venv` with the pinned packages; nothing happens when it is there already.

`make` calls it, and so can everybody without make. It needs Python alone, and keeps to the syntax
of Python 3.6, so that an old Python can still say what is wrong with it.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).resolve().parents[1]
OLDEST, NEWEST = (3, 11), (3, 13)
PROBE_SECONDS = 4
OUT_OF_REACH = ("Retrying (Retry(", "from versions: none", "ConnectionError", "ReadTimeoutError")


def python_problem(version: tuple) -> str:
    """What is wrong with this version of Python, in one line; empty when nothing is."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return ""
    found = [n for n in ("python3.13", "python3.12", "python3.11") if shutil.which(n)]
    way = "py -3.13" if os.name == "nt" else f"make lab PYTHON={next(iter(found), 'python3.12')}"
    number, far = ".".join(map(str, version[:3])), "old" if version < OLDEST else "new"
    return f"Python {number} is too {far}: the series needs 3.11 to 3.13; name one, as in: {way}"


def python_in(venv: Path) -> Path:
    """The interpreter of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def wanted_stamp(venv: Path, requirements: Path) -> dict:
    """What a finished environment has written down about itself."""
    return {
        "requirements": hashlib.sha256(requirements.read_bytes()).hexdigest(),
        "folder": str(venv),  # an environment that was moved or copied does not work
        "python": "{}.{}".format(*sys.version_info[:2]),
    }


def stamp_of(venv: Path) -> dict:
    """The stamp of an environment; empty when it is broken or was never finished."""
    try:
        stamp = json.loads((venv / "stamp.json").read_text())
        subprocess.run([str(python_in(venv)), "-c", ""], check=True, stderr=subprocess.DEVNULL)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return {}
    return stamp


def has_nvidia_driver() -> bool:
    """Whether an NVIDIA driver is loaded, on Linux or in Windows' subsystem for it."""
    places = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1")
    return any(Path(place).exists() for place in places)


def answers(index: str) -> bool:
    """Whether a package index answers within a few seconds, slow name servers included."""
    from urllib.request import urlopen  # slow to import, and seldom needed

    replies = []

    def ask() -> None:
        try:
            with urlopen(index.rstrip("/") + "/torch/", timeout=PROBE_SECONDS) as reply:
                replies.append(reply.status)
        except (OSError, ValueError):  # no network, no such page, no address at all
            pass

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS + 1)
    return replies == [200]


def index_options(folder: Path) -> list:
    """Options for pip: the wheels in the folder alone, where `make kit` has put some.

    Else PyTorch's CPU index too, on a Linux without an NVIDIA driver: its wheels are versions such
    as 2.13.0+cpu, which pip prefers to the 2.13.0 of the default.
    """
    if (folder / "wheels").is_dir():
        return ["--no-index", "--find-links", str(folder / "wheels")]
    index = os.environ.get("TORCH_INDEX", "")
    if not sys.platform.startswith("linux") or has_nvidia_driver():
        return []
    if index and answers(index):
        return ["--extra-index-url", index]
    print("TORCH_INDEX, the index of CPU wheels, is out of reach; 2.8 GB of CUDA may come instead.")
    return []


def pip(venv: Path, requirements: Path, *options: str) -> None:
    """Run pip on the requirements, its words in a log; stop with one line when it fails."""
    log = venv / "install.log"
    command = [str(python_in(venv)), "-m", "pip", "install", "-r", str(requirements), *options]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    command += ["--retries=2", "--timeout=15", *index_options(requirements.parent)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    with process, log.open("w", encoding="utf-8") as file:
        for line in process.stdout:
            file.write(line)
            if "Downloading " in line and (" MB)" in line or " GB)" in line):
                print(line.strip(), flush=True)
    if process.returncode:
        sys.exit(f"{explain(log.read_text(encoding='utf-8'))} (details: {log})")


def explain(log: str) -> str:
    """Why pip failed, in one line."""
    if any(sign in log for sign in OUT_OF_REACH):
        return "The package index is out of reach; check the network, then run the same again"
    errors = [line for line in log.splitlines() if line.startswith("ERROR")]
    return errors[-1] if errors else "pip failed"


def make(venv: Path, requirements: Path, any_python: bool) -> None:
    """Make, mend or update the environment; the stamp is written last."""
    wanted, stamp = wanted_stamp(venv, requirements), stamp_of(venv)
    if any_python and stamp:
        wanted["python"] = stamp["python"]
    if stamp == wanted:
        return
    if python_problem(sys.version_info):
        sys.exit(python_problem(sys.version_info))
    if {**stamp, "requirements": ""} != {**wanted, "requirements": ""}:
        print(f"Making {venv.name} with Python {wanted['python']}", flush=True)
        create(venv)
    (venv / "stamp.json").unlink(missing_ok=True)
    print("Installing the packages, which takes some minutes", flush=True)
    pip(venv, requirements)
    (venv / "stamp.json").write_text(json.dumps(wanted))


def create(venv: Path) -> None:
    """An empty environment, in the place of whatever was there."""
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        sys.exit(f"This Python can't make {venv}; on Debian and Ubuntu: sudo apt install {package}")


def plan(requirements: Path) -> None:
    """Ask pip what a fresh environment would get; CUDA packages without a driver are an error.

    It asks in a temporary folder, which stays when pip fails, for its log.
    """
    venv = Path(tempfile.mkdtemp(prefix="funnel-plan-"))
    create(venv)
    report = venv / "plan.json"
    pip(venv, requirements, "--dry-run", "--ignore-installed", "--report", str(report))
    packages = json.loads(report.read_text())["install"]
    shutil.rmtree(venv)
    names = sorted(package["metadata"]["name"] for package in packages)
    cuda = [name for name in names if name.startswith("nvidia-")]
    if cuda and not has_nvidia_driver():
        sys.exit("Without a GPU, pip would install " + ", ".join(cuda))
    print(f"{len(names)} packages would be installed; {len(cuda)} are CUDA's")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--any-python", action="store_true", help="keep a good .venv of another Python"
    )
    parser.add_argument("--plan", action="store_true", help="fail if CUDA would come without a GPU")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--requirements", type=Path, default=ROOT / "requirements.txt")
    arguments = parser.parse_args()
    venv, requirements = arguments.venv.resolve(), arguments.requirements
    try:
        plan(requirements) if arguments.plan else make(venv, requirements, arguments.any_python)
    except KeyboardInterrupt:
        sys.exit("Interrupted; the same command starts again where it is safe.")


if __name__ == "__main__":
    main()
