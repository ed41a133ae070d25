# @title Run this first: it finds the series' helpers, or fetches them
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

URL, VERSION = "REPOSITORY", "NUMBER"
places = [Path.cwd(), *Path.cwd().parents, Path("funnel-series").resolve()]
root = next((p for p in places if (p / "helpers/session.py").exists()), places[-1])
if not root.exists():  # on Colab, or the notebook was taken alone
    if not shutil.which("git"):
        raise RuntimeError(f"git is not installed: unpack {URL} as {root} by hand.")
    command = ["git", "clone", "--quiet", "--depth=1", URL, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        missing = any(word in done.stderr for word in ("not found", "not appear", "Username"))
        why = "there is no such repository" if missing else "is there a network?"
        raise RuntimeError(f"git could not fetch {URL}: {why} ({done.stderr.strip()})")
if not (root / "helpers/session.py").exists():
    raise RuntimeError(f"{root} is half a copy: delete this folder, then run this cell again.")
found = (root / "pyproject.toml").read_text("utf-8").partition('version = "')[2].partition('"')[0]
if found != VERSION:
    raise RuntimeError(f"{root} is version {found}, this notebook {VERSION}: pull or delete it.")
if (other := find_spec("helpers")) and root not in Path(other.origin or "").parents:
    print(f"Another package named helpers is installed ({other.origin}); the series uses its own.")
    for name in [n for n in sys.modules if n.split(".")[0] == "helpers"]:
        del sys.modules[name]
sys.path.insert(0, str(root))

from helpers import start

session = start("NOTEBOOK")
