"""Every command explains itself at once: no help waits for PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from cmaformer.__main__ import COMMANDS

_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_neither_torch_nor_simpleitk(command):
    code = "import sys; from cmaformer.__main__ import main; assert main(sys.argv[1:]) == 0; "
    code += "assert not {'torch', 'SimpleITK', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, command, "--help"], env=_ENVIRONMENT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    assert b"usage:" in done.stdout


def test_help_of_a_training_takes_a_moment():
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "cmaformer", "train", "--help"], env=_ENVIRONMENT, capture_output=True)
    assert time.perf_counter() - begun < 1.5  # 0.2 s on an idle computer; PyTorch takes 2 to 4
