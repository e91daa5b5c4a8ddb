"""libnftables by ctypes: a transaction without a process, in the calling thread's namespace.

Starting ``nft`` costs tens of milliseconds a node in User-Mode Linux. What the rules say is known
to ``firewall``; nothing else lives here (libnftables(3)).
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from lab.errors import PrerequisiteError

_LIBRARY = "libnftables.so.1"
_OUTPUT_JSON = 1 << 4


class Refused(Exception):
    """What libnftables wrote to its error buffer."""


def run(script: str, *, json: bool = False) -> str:
    """Carry out a script as one transaction and return what it prints; raises Refused."""
    library = _library()
    context = library.nft_ctx_new(0)
    try:
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        if json:
            library.nft_ctx_output_set_flags(context, _OUTPUT_JSON)
        if library.nft_run_cmd_from_buffer(context, script.encode()) != 0:
            raise Refused(library.nft_ctx_get_error_buffer(context).decode(errors="replace"))
        output: bytes = library.nft_ctx_get_output_buffer(context)
        return output.decode()
    finally:
        library.nft_ctx_free(context)


@functools.cache
def _library() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise PrerequisiteError(
            f"{_LIBRARY} cannot be loaded: {error}", hint="install the package nftables"
        ) from error

    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("nft_ctx_new", pointer, (ctypes.c_uint32,)),
        ("nft_ctx_free", None, (pointer,)),
        ("nft_ctx_buffer_output", ctypes.c_int, (pointer,)),
        ("nft_ctx_buffer_error", ctypes.c_int, (pointer,)),
        ("nft_ctx_output_set_flags", None, (pointer, ctypes.c_uint)),
        ("nft_run_cmd_from_buffer", ctypes.c_int, (pointer, text)),
        ("nft_ctx_get_output_buffer", text, (pointer,)),
        ("nft_ctx_get_error_buffer", text, (pointer,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
