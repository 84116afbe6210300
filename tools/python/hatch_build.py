"""Makes the wheel one of this platform, for every Python 3, with the version of pvit.h. Used by tools/wheel."""

import pathlib
import re

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

HERE = pathlib.Path(__file__).parent


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        if version == "standard" and not (HERE / "pvit/lib/libpvit.so.0").exists():
            raise FileNotFoundError("there is no pvit/lib/libpvit.so.0: tools/wheel builds it and the wheel")
        build_data["pure_python"] = False
        # The library is called through ctypes, which fits every version of Python.
        build_data["tag"] = "py3-none-linux_x86_64"


class CustomMetadataHook(MetadataHookInterface):
    def update(self, metadata: dict) -> None:
        header = (HERE / "pvit.h").read_text()
        metadata["version"] = ".".join(
            re.search(rf"^#define PVIT_VERSION_{part} (\d+)$", header, re.MULTILINE)[1]
            for part in ("MAJOR", "MINOR", "PATCH")
        )
