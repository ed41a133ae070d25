# @title Run this first: it finds the series' helpers, or fetches them
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

URL, VERSION, NAME = "REPOSITORY", "NUMBER", 'name = "funnel-series"'
places = [Path.cwd(), *Path.cwd().parents, Path("funnel-series").resolve()]
projects = [file for place in places for file in place.glob("pyproject.toml")]
root = next((p.parent for p in projects if NAME in p.read_text("utf-8", "ignore")), places[-1])
if not root.exists():  # on Colab, or the notebook was taken alone
    command = ["git", "clone", "--quiet", "--depth=1", URL, str(root)]
    plain = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}  # no question, English
    try:
        subprocess.run(command, env=plain, check=True, capture_output=True, text=True, timeout=300)
    except OSError:
        raise RuntimeError(f"There is no git: install it, or unpack {URL} as {root}.") from None
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", None) or error).strip()
        missing = re.search("not found|not appear|Username", said)
        why = "no public repository is there" if missing else "is there a network?"
        raise RuntimeError(f"git could not fetch {URL}: {why} ({said})") from None
project = root / "pyproject.toml"
found = project.exists() and re.search(rf'{NAME}\nversion = "([\d.]+)"', project.read_text("utf-8"))
if not found:
    raise RuntimeError(f"{root} is half a copy: delete this folder, then run this cell again.")
if [int(n) for n in found[1].split(".")] < [int(n) for n in VERSION.split(".")]:
    raise RuntimeError(f"{root} is version {found[1]}, {VERSION} is needed: pull it or delete it.")
other = find_spec("helpers")
if other and (root / "helpers/__init__.py").resolve() != Path(other.origin or "").resolve():
    print("The series uses its own helpers, not", other.origin or other.submodule_search_locations)
    for name in [n for n in sys.modules if n.split(".")[0] == "helpers"]:
        del sys.modules[name]
sys.path.insert(0, str(root))

from helpers import start

session = start("NOTEBOOK")
