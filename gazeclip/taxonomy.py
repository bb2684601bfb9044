"""The task's vocabulary: generator -> family -> category -> real or fake; classes and prompts.

```python
taxonomy = Taxonomy.load("demo")
taxonomy.classes()              # ("real", "swap_poisson", ...): the order of the logits
taxonomy.prompts("synth_gan")   # four texts, from coarse to fine
```
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gazeclip.errors import ConfigError, nearest
from gazeclip.files.hashes import fingerprint
from gazeclip.system.place import name_file

REAL = "real"
UNKNOWN = "unknown"  # category or family of forgeries of which nobody says more
CATEGORIES = {
    "real": "real",
    "face_swap": "identity swapped",
    "attribute_manipulation": "attribute manipulated",
    "reenactment": "reenacted",
    "entire_synthesis": "entirely synthesised",
    UNKNOWN: "forged",
}
FAMILIES = {
    "real": "camera",
    "graphics": "graphics",
    "gan": "GAN",
    "diffusion": "diffusion",
    "flow": "flow",
    UNKNOWN: "unknown",
}
PRESETS = Path(__file__).parent / "taxonomies"
_FILE_KEYS = ("name", "cite", "generators")
_ENTRY_KEYS = ("title", "category", "family", "seen")


@dataclass(frozen=True)
class Generator:
    """One source of images: its label in manifests, its name in prompts, its place here."""

    name: str
    title: str
    category: str
    family: str
    seen: bool = True


@dataclass(frozen=True)
class Taxonomy:
    """All generators that a manifest may name.

    Class 0 is always `real`; unseen generators are never a class. `cite` says where the list comes
    from; it is no part of `hash`.
    """

    name: str
    generators: tuple[Generator, ...]
    cite: tuple[str, ...] = ()

    @classmethod
    def load(cls, name_or_path: str) -> Taxonomy:
        """A preset (such as `dfad` or `real-fake`) or a YAML file of the same form.

        Raises:
            ConfigError: unknown preset, unreadable file, or faulty entries (all of them named).
        """
        # Imported here: runtimes need the names of categories at every start, and never a file.
        import yaml

        from gazeclip.files.strict_yaml import load_yaml

        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = PRESETS / f"{name_or_path}.yaml"
            if not path.is_file():
                presets = sorted(item.stem for item in PRESETS.glob("*.yaml"))
                raise ConfigError(
                    f"unknown taxonomy '{name_or_path}'", remedy=nearest(name_or_path, presets)
                )
        try:
            data = load_yaml(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(
                f"cannot read taxonomy {path}: {' '.join(str(error).split())}",
                remedy=f"See {name_file('gazeclip/taxonomies/demo.yaml')}",
            ) from error
        return cls.from_dict(data, source=str(path))

    @classmethod
    def from_dict(cls, data: Any, source: str = "taxonomy") -> Taxonomy:
        """Check and build; see `load`."""
        entries = data.get("generators") if isinstance(data, dict) else None
        if not isinstance(entries, dict) or not entries:
            raise ConfigError(
                f"{source} has no 'generators'",
                remedy=f"See {name_file('gazeclip/taxonomies/demo.yaml')}",
            )
        faults = _find_unknown_keys(data, _FILE_KEYS)
        cite = data.get("cite", [])
        if not isinstance(cite, list) or not all(isinstance(item, str) for item in cite):
            faults.append("cite: must be a list of texts")
        generators = [Generator(REAL, "a camera", "real", "real")]
        for name, entry in entries.items():
            if any(generator.name == str(name) for generator in generators[1:]):
                faults.append(f"{name}: listed twice, once of them in quotes")
            if name == REAL:
                faults.append("'real' is always there and must not be listed")
            fields = entry if isinstance(entry, dict) else {}
            faults += [f"{name}: {fault}" for fault in _find_field_faults(fields)]
            generators.append(_read_generator(str(name), fields))
            faults += _find_generator_faults(generators[-1])
        if faults:
            raise ConfigError(f"{source}: " + "; ".join(faults), remedy="Correct the entries named")
        return cls(str(data.get("name", Path(source).stem)), tuple(generators), tuple(cite))

    def get(self, name: str) -> Generator:
        """The generator called `name`.

        Raises:
            ConfigError: unknown, with the nearest known name.
        """
        for generator in self.generators:
            if generator.name == name:
                return generator
        raise ConfigError(
            f"unknown generator '{name}'", remedy=nearest(name, [g.name for g in self.generators])
        )

    def __contains__(self, name: str) -> bool:
        return any(generator.name == name for generator in self.generators)

    def classes(self, labels: Collection[str] | None = None) -> tuple[str, ...]:
        """Class names in order: `real`, then the seen generators (of `labels` only, if given)."""
        names = []
        for generator in self.generators:
            wanted = generator.seen and (labels is None or generator.name in labels)
            if wanted or generator.name == REAL:
                names.append(generator.name)
        return tuple(names)

    def group(self, name: str) -> tuple[str, str]:
        """`(category, family)`: the finest level at which an unseen generator can be attributed."""
        generator = self.get(name)
        return generator.category, generator.family

    def prompts(self, name: str) -> tuple[str, str, str, str]:
        """The four prompt levels of a class, from coarse to fine (docs/gazeclip.md)."""
        generator = self.get(name)
        if name == REAL:
            return (
                "a photo of a real face",
                "a photo of an unaltered face",
                "a photo taken by a camera",
                "the source generative model of this photo is a camera",
            )
        model = "model"
        if generator.family != UNKNOWN:
            model = f"{FAMILIES[generator.family]}-based model"
        return (
            "a photo of a fake face",
            f"a photo of {_add_article(CATEGORIES[generator.category])} face",
            f"a photo generated by a {model}",
            f"the source generative model of this photo is {generator.title}",
        )

    def describe(self, classes: Collection[str]) -> list[dict[str, str]]:
        """Name, title, category and family per class, as bundles carry them."""
        found = []
        for name in classes:
            entry = asdict(self.get(name))
            del entry["seen"]
            found.append({key: str(value) for key, value in entry.items()})
        return found

    def extend(self, generator: Generator) -> Taxonomy:
        """This one and a generator more, or in the place of the one that has its name.

        Raises:
            ConfigError: its category or family is unknown, or it is called `real`.
        """
        faults = _find_generator_faults(generator)
        if generator.name == REAL:
            faults.append("'real' is always there")
        if faults:
            raise ConfigError("; ".join(faults), remedy="Correct what is named")
        others = tuple(item for item in self.generators if item.name != generator.name)
        return Taxonomy(self.name, (*others, generator), self.cite)

    @property
    def hash(self) -> str:
        """SHA-256 over all entries: where it differs, a class may mean something else."""
        return fingerprint([asdict(generator) for generator in self.generators])


def _read_generator(name: str, entry: dict[str, Any]) -> Generator:
    return Generator(
        name,
        title=str(entry.get("title", name)),
        category=str(entry.get("category", "")),
        family=str(entry.get("family", "")),
        seen=entry.get("seen", True) is not False,
    )


def _find_field_faults(entry: dict[Any, Any]) -> list[str]:
    """Keys that mean nothing, and a `seen` that is neither true nor false.

    Passed over, either would train on a generator that was to be held out.
    """
    faults = _find_unknown_keys(entry, _ENTRY_KEYS)
    seen = entry.get("seen", True)
    if not isinstance(seen, bool):
        faults.append(f"seen is {seen!r}, and must be true or false, without quotes")
    return faults


def _find_unknown_keys(entry: dict[Any, Any], known: Sequence[str]) -> list[str]:
    unknown = [str(key) for key in entry if key not in known]
    return [f"unknown key '{key}' ({nearest(key, known)})" for key in unknown]


def _find_generator_faults(generator: Generator) -> list[str]:
    """What its category and family have wrong; those of `real` are its own."""
    faults = []
    for what, given, known in (
        ("category", generator.category, CATEGORIES),
        ("family", generator.family, FAMILIES),
    ):
        allowed = [name for name in known if name != REAL]
        if given not in allowed:
            faults.append(f"{generator.name}: {what} '{given}' ({nearest(given, allowed)})")
    return faults


def _add_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
