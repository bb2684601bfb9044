"""HEIC pictures, decoded by libheif as pi-heif brings it.

Its decoder is called directly. The class that pi-heif has for Pillow also reads metadata that is
not needed here, and ends the whole process over some damaged files (a type of metadata that is no
UTF-8), which a service cannot afford. pi-heif is therefore held at its minor version.
"""

from __future__ import annotations

from typing import IO, Any, cast

from PIL import ImageFile

from gazeclip.system.packages import require

_DECODE_THREADS = 4  # telephones store tiles, which are decoded beside each other


class HeicImageFile(ImageFile.ImageFile):
    """A HEIC file for Pillow; the first frame is the picture that is to be shown.

    Turning is done by libheif, as the format wants it; EXIF is not read.

    Raises:
        MissingDependencyError: pi-heif is not installed.
        Exception: damaged files raise many things.
    """

    format = "HEIC"
    format_description = "HEIF container with HEVC"
    _number = 0
    _decoded: int | None = None

    def _open(self) -> None:
        require("pi_heif", "heif")  # by the name that is installed
        decoder = require("_pi_heif", "heif")
        file = cast(IO[bytes], self.fp)  # Pillow opened it
        # Eight bits a channel, red first, rows without gaps, the only decoder, limits as they are.
        options = (_DECODE_THREADS, True, False, True, False, "", False)
        found = decoder.load_file(file.read(), *options)
        self._pictures: list[Any] = [picture for picture in found if picture is not None]
        if not self._pictures:
            raise SyntaxError("no picture that can be decoded")
        self.n_frames = len(self._pictures)
        self.is_animated = self.n_frames > 1
        for number, picture in enumerate(self._pictures):
            if picture.primary:
                self._number = number
        self._describe_frame()

    def _describe_frame(self) -> None:
        picture = self._pictures[self._number]
        self._size, self._mode = picture.size_mode
        self.tile = []
        self.info.pop("icc_profile", None)
        profile = picture.color_profile
        if profile and profile["type"] in ("rICC", "prof"):
            self.info["icc_profile"] = profile["data"]

    def seek(self, frame: int) -> None:
        """Another picture of the file, from 0."""
        if self._seek_check(frame):
            self._number = frame
            self._describe_frame()

    def tell(self) -> int:
        """The picture's number, from 0."""
        return self._number

    def load(self) -> Any:
        """Decode the picture."""
        if self._decoded != self._number:
            picture = self._pictures[self._number]
            data = picture.data
            self._size, self._mode = picture.size_mode  # decoding may correct them
            self._im = None
            self.load_prepare()
            self.frombytes(data, "raw", (self._mode, picture.stride))
            self._decoded = self._number
        return super().load()
