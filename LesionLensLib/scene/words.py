"""The translation call for what a user of the application reads in the scene: names, titles, descriptions.

Not for what is looked up again (file names, attributes, names of columns, ids, terms), and not for the sentences and
names of `report.json`: they come from the program as data, in English, so that a report reads the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable


class _Translation:
    @property
    def __call__(self) -> Callable[[str], str]:
        """What is called in place of this object: `slicer.i18n.tr`, or without it what leaves the text as it is.

        A method would call `tr` from this file, and `tr` takes the file that calls it for the context of the text. It
        is looked for at each call: slicer-core has none, and who brings one may do so after the scene was imported.
        """
        try:
            from slicer.i18n import tr
        except ModuleNotFoundError:
            return str
        return tr  # type: ignore[no-any-return]


_ = _Translation()
