"""Weights of foundation encoders: where they lie on this machine, and how they are fetched on request.

Nothing but `fetch` touches the network.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from histopress.core.errors import EncoderError, MissingExtraError, RemoteError
from histopress.encoders.foundation import FoundationModel, find_model
from histopress.encoders.pickled import refuse_pickled

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
TOKENS = "https://huggingface.co/settings/tokens"


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Attributes:
        name: of the encoder.
        path: of its weights in the cache of the hub.
        encoder: what to give as --encoder; empty while the weights are pickled.
        command: that turns pickled weights into safetensors; empty where they are.
    """

    name: str
    path: Path
    encoder: str
    command: str

    @property
    def text(self) -> str:
        """A few lines for people."""
        if self.encoder:
            return f"{self.path}\nuse it with --encoder {self.encoder}"
        return (
            f"{self.path}\nits makers publish pickled weights only, which are never read as they are; "
            f"convert them once:\n  {self.command}\nthen use "
            f"--encoder hf-hub:{self.name}@{self.name}.safetensors"
        )


def cached_weights(model: FoundationModel) -> Path:
    """The weights of a model in the local cache of the Hugging Face hub; the network is left alone.

    Raises:
        EncoderError: they are not there, or pickled; says how to come by them.
        MissingExtraError: huggingface_hub is not installed.
    """
    hub = _hub()
    for file in (SAFE, PICKLED):
        found = hub.try_to_load_from_cache(model.repository, file)
        if isinstance(found, str):
            if file == PICKLED:
                raise EncoderError(
                    f"{found} is pickled: to read such a file is to run the program in it; convert it once "
                    f"with `{_convert_command(model, Path(found))}`, then ask for "
                    f"hf-hub:{model.name}@{model.name}.safetensors"
                )
            return Path(found)
    raise EncoderError(
        f"the weights of {model.name} ({model.repository}) are not on this machine; {model.terms}; "
        f"{_access(model)}fetch them with `histopress encoders fetch {model.name}`, or name a local file: "
        f"hf-hub:{model.name}@FILE.safetensors"
    )


def local_weights(path: Path) -> Path:
    """A local file of weights.

    Raises:
        EncoderError: there is no such file, or it is pickled.
    """
    if not path.is_file():
        raise EncoderError(f"{path}: no such file; weights are read from local safetensors")
    refuse_pickled(path)
    return path


def fetch(name: str) -> Fetched:
    """Download the weights of a foundation encoder into the cache of the Hugging Face hub.

    What is there already is not fetched again. A line that breaks is taken up where it broke, a few
    times; whether the next run goes on from there is up to the version of huggingface_hub.

    Args:
        name: of the encoder, or of its repository.

    Raises:
        EncoderError: no such encoder, no access to it, or a file that is not what its repository states.
        RemoteError: the hub does not answer.
        MissingExtraError: huggingface_hub is not installed.
    """
    model, hub = find_model(name), _hub()
    try:
        try:
            path = Path(hub.hf_hub_download(model.repository, SAFE))
        except hub.errors.RemoteEntryNotFoundError:
            path = Path(hub.hf_hub_download(model.repository, PICKLED))
    except hub.errors.HfHubHTTPError as error:
        raise _refused(model, error) from error
    except (hub.errors.LocalEntryNotFoundError, hub.errors.OfflineModeIsEnabled) as error:
        raise RemoteError(
            f"{model.repository}: the hub cannot be reached ({_first_line(error)}); check the network, and "
            f"that HF_HUB_OFFLINE is not set, and run again; or fetch {SAFE} elsewhere and name it: "
            f"hf-hub:{model.name}@FILE.safetensors"
        ) from error
    except Exception as error:  # what its libraries raise when a line breaks differs from version to version
        raise RemoteError(
            f"{model.repository}: the download stopped ({_first_line(error)}); run again"
        ) from error
    _check(path)
    if path.name == PICKLED:
        return Fetched(model.name, path, "", _convert_command(model, path))
    return Fetched(model.name, path, f"hf-hub:{model.name}", "")


def _hub() -> Any:
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError("huggingface_hub is not installed; pip install 'histopress[foundation]'")
    import huggingface_hub
    import huggingface_hub.errors

    return huggingface_hub


def _access(model: FoundationModel) -> str:
    if not model.gated:
        return ""
    return f"ask for access at https://huggingface.co/{model.repository}, log in with `hf auth login`, "


def _convert_command(model: FoundationModel, path: Path) -> str:
    return f"histopress encoders convert {path} -o {model.name}.safetensors"


def _refused(model: FoundationModel, error: Any) -> EncoderError | RemoteError:
    """What the answer of the hub means, and what to do about it."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    page = f"https://huggingface.co/{model.repository}"
    where = f"{model.name} ({model.repository}, {model.terms})"
    if status == 401:
        return EncoderError(
            f"{where}: the hub wants to know who asks (401); make a token at {TOKENS}, give it by "
            f"`hf auth login` or as HF_TOKEN, and ask for access at {page} if you have not yet"
        )
    if status == 403:
        return EncoderError(
            f"{where}: the hub knows you but lets you not have it (403); ask for access at {page}, wait "
            "until it is granted, and see that the token may read gated repositories"
        )
    if status == 404:
        return EncoderError(
            f"{where}: the hub has no such repository, or neither {SAFE} nor {PICKLED} in it (404); look "
            f"at {page}"
        )
    return RemoteError(f"{where}: the hub answers {status} ({_first_line(error)}); try again later")


def _check(path: Path) -> None:
    """Compare a file with the SHA-256 that the hub stated: in its cache, large files are stored under it."""
    stated = path.resolve().name
    if not re.fullmatch(r"[0-9a-f]{64}", stated):
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != stated:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise EncoderError(
            f"{path}: SHA-256 is {found[:16]}..., but the hub states {stated[:16]}...; the download was "
            "damaged and is removed: fetch it again"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
