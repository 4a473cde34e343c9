"""A model is a folder: ``model.json`` (what it is), ``weights.pt`` (fp16 state dict) and ``card.md`` (for people).

Loading never runs code from the folder: the description is JSON, the weights are read with ``weights_only=True``, and
their SHA-256 must be the one in the description.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..door import description as schema
from ..door.description import Description, newest, read_card, read_description
from ..door.errors import ModelError
from ..door.names import CARD, MODEL, WEIGHTS
from ..door.privacy import identifying

if TYPE_CHECKING:
    import torch

    from ..network.cmaformer import CMAformer


# Weights are some MB; what is much larger is something else.
LARGEST_WEIGHTS = 512_000_000

__all__ = ["Description", "Model", "Problem", "find_model", "find_models", "load_model", "save_model"]


@dataclass(frozen=True)
class Model:
    """A model folder whose description is valid and whose weights are the ones it names."""

    folder: Path
    description: Description

    @property
    def id(self) -> str:
        """The model's id, which carries its version."""
        return self.description.id

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights, the model's true name."""
        return self.description.weights_sha256

    @property
    def card(self) -> str:
        """The card for people (Markdown), empty if the folder has none."""
        return read_card(self.folder)

    def network(self, device: str | torch.device = "cpu") -> CMAformer:
        """The network with its weights as fp32 in evaluation mode on a device. Raises ModelError if they do not fit."""
        import torch

        from ..network.cmaformer import CMAformer, NetworkConfig

        try:
            network = CMAformer(NetworkConfig.from_dict(dict(self.description.network)))
        except (TypeError, ValueError) as error:
            raise ModelError("bad-model-json", f'{MODEL}: "network" is not usable: {error}.') from None
        state = _read_state(_read_weights(self.folder, self.sha256))
        _check_fit(state, network.state_dict())
        if not all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point()):
            raise ModelError("bad-weights", f"{WEIGHTS} holds numbers that are not finite.", "Install the model again.")
        network.load_state_dict({key: value.float() for key, value in state.items()})
        return network.eval().to(device)


@dataclass(frozen=True)
class Problem:
    """A folder among the models that cannot be used, and why."""

    folder: Path
    error: ModelError


def load_model(folder: str | os.PathLike[str]) -> Model:
    """Open a model folder and check its description and the SHA-256 of its weights.

    Raises ModelError whose message names the file and what is wrong with it.
    """
    folder = Path(folder)
    description = read_description(folder)
    _read_weights(folder, description.weights_sha256)
    return Model(folder, description)


def find_models(folders: Iterable[str | os.PathLike[str]]) -> tuple[list[Model], list[Problem]]:
    """The usable models of some folders of model folders, sorted by id, and the folders that are not usable.

    Of two models with one id the first found counts. Folders that do not exist, and entries that are not folders or
    start with a dot, are passed over.
    """
    models: dict[str, Model] = {}
    problems = []
    for folder in _candidates(folders):
        try:
            model = load_model(folder)
        except ModelError as error:
            problems.append(Problem(folder, error))
        else:
            models.setdefault(model.id, model)
    return sorted(models.values(), key=lambda model: model.id), problems


def find_model(folders: Sequence[str | os.PathLike[str]], name: str, sha256: str | None = None) -> Model:
    """The model with an id (and this SHA-256 of its weights, if given) among folders of model folders.

    An id without a version is the newest one.

    Raises ModelError: ``no-model`` if none has the id, ``other-weights`` if only other weights have it, or what is
    wrong with the folder of that name.
    """
    known: dict[str, list[tuple[Path, str]]] = {}
    for folder in _candidates(folders):
        try:
            description = read_description(folder)
        except ModelError:
            if folder.name == name:
                raise
            continue
        known.setdefault(description.id, []).append((folder, description.weights_sha256))
    wanted = newest(known, name)
    for folder, found in known.get(wanted or name, []):
        if sha256 in (None, found):
            return load_model(folder)
    if wanted is not None:
        raise ModelError("other-weights", f"Model {wanted} is here, but with other weights than the job asks for.")
    hint = f"Installed are: {', '.join(sorted(known))}." if known else "No model is installed in the folders searched."
    raise ModelError("no-model", f"There is no model {name}.", hint)


def save_model(
    folder: str | os.PathLike[str],
    description: Mapping[str, Any] | Description,
    state_dict: Mapping[str, torch.Tensor],
    card: str,
) -> Model:
    """Write a new model folder, whole or not at all; an existing folder is never touched.

    Floating-point weights are stored as fp16; ``schema`` and ``weights_sha256`` of the description are filled in.
    Raises ModelError if the description is not valid, if it or the card names a folder, a user or this computer, if
    weights do not fit the network or overflow fp16, or if the folder exists.
    """
    import torch

    from ..network.cmaformer import CMAformer, NetworkConfig

    folder = Path(folder)
    if folder.exists():
        raise ModelError("model-exists", f"The model folder {folder.name} already exists.", "Choose a new version.")
    half = {}
    for key, value in state_dict.items():
        value = value.detach().cpu()
        half[key] = (value.half() if value.is_floating_point() else value).contiguous().clone()
        if value.is_floating_point() and not torch.isfinite(half[key]).all():
            raise ModelError("bad-weights", f"The weights {key} are not finite, or too large for 16 bits.")
    buffer = io.BytesIO()
    torch.save(half, buffer)
    weights = buffer.getvalue()
    data = dict(description.to_dict() if isinstance(description, Description) else description)
    data = {**data, "schema": schema.SCHEMA, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    try:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ModelError("bad-model-json", f"The description cannot be written as JSON: {error}.") from None
    checked = Description.from_dict(json.loads(text))
    offending = identifying([checked.data, card.splitlines()], anatomy_of(checked.data))
    if offending is not None:
        raise ModelError(
            "identifying",
            f"The description or card names a folder, a user or this computer: {offending[:80]!r}.",
            "Remove it.",
        )
    try:
        _check_fit(half, CMAformer(NetworkConfig.from_dict(dict(checked.network))).state_dict())
    except (TypeError, ValueError) as error:
        raise ModelError("bad-model-json", f'{MODEL}: "network" is not usable: {error}.') from None
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        (temporary / WEIGHTS).write_bytes(weights)
        _write(temporary / CARD, card)
        _write(temporary / MODEL, text)
        os.rename(temporary, folder)
    except OSError as error:
        raise ModelError("unwritable", f"The model folder {folder.name} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Model(folder, checked)


def anatomy_of(description: Mapping[str, Any]) -> list[str]:
    """The names of structures in a description: their words are anatomy, whatever a computer is called."""
    return [str(entry.get("name", "")) for entry in description.get("classes", []) if isinstance(entry, Mapping)]


def _write(path: Path, text: str) -> None:
    # Bytes, so that a line ends alike on every system.
    path.write_bytes(text.encode("utf-8"))


def _candidates(folders: Iterable[str | os.PathLike[str]]) -> list[Path]:
    found = []
    for folder in map(Path, folders):
        try:
            found += sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        except OSError:
            continue
    return found


def _read_weights(folder: Path, sha256: str) -> bytes:
    """The bytes of the weights, checked: what is verified here is what is loaded, not a file read a second time."""
    path = folder / WEIGHTS
    try:
        if path.exists() and (not path.is_file() or path.stat().st_size > LARGEST_WEIGHTS):
            raise ModelError("bad-weights", f"{WEIGHTS} is no file of weights: it is {_what(path)}.")
        weights = path.read_bytes()
    except FileNotFoundError:
        raise ModelError("no-weights", f"{WEIGHTS} is missing from the model {folder.name}.") from None
    except OSError as error:
        raise ModelError("no-weights", f"{WEIGHTS} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise ModelError(
            "damaged-weights",
            f"{WEIGHTS} is not the file that {MODEL} describes (its SHA-256 differs).",
            "It is damaged or was replaced; install the model again.",
        )
    return weights


def _what(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB large" if path.is_file() else "no regular file"


def _read_state(weights: bytes) -> dict[str, torch.Tensor]:
    import pickle
    import zipfile

    import torch

    try:
        with zipfile.ZipFile(io.BytesIO(weights)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > 2 * len(weights) + 1_000_000:  # PyTorch stores them as they are
            raise ModelError("bad-weights", f"{WEIGHTS} unpacks to {unpacked / 1e6:.0f} MB, which weights do not.")
        state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        raise ModelError("bad-weights", f"{WEIGHTS} is not a file of plain PyTorch weights.") from None
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    ):
        raise ModelError("bad-weights", f"{WEIGHTS} holds something else than named tensors.")
    return state


def _check_fit(state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    faults = [f"{key} is missing" for key in wanted if key not in state]
    faults += [f"{key} is not part of the network" for key in state if key not in wanted]
    faults += [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ModelError("bad-weights", f"{WEIGHTS} does not fit the network: {'; '.join(faults[:3])}{more}.")
