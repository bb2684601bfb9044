"""Whether the CPU may compute a bundle wrongly: 8-bit products that do not fit.

On x86 CPUs without VNNI the instruction for 8-bit products (`vpmaddubsw`) adds them pair by pair in
16 bits: 2 * 255 * 127 does not fit, and what does not fit is cut off without a word. ONNX Runtime
and OpenVINO use it; XNNPACK, behind LiteRT, widens to 16 bits before it multiplies. Weights of 7
bits (`quantize --overflow-fix on`) always fit.

Source: "Nuances of int8 computations", oneDNN developer guide.
"""

from __future__ import annotations

from collections.abc import Collection

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import CONVERSION
from gazeclip.system.cpu import cpu_features
from gazeclip.system.place import command_line
from runtimes.engines.registry import find_engine


def describe_saturation(
    bundle: Bundle, engine: str, device: str | None, features: Collection[str] | None = None
) -> str | None:
    """One sentence where the bundle may be computed wrongly, else None.

    Bundles that do not say how they were quantized are passed over, and so are processors of which
    nothing is known.

    Args:
        engine: name in `runtimes.engines.registry.ENGINES`.
        device: as the engine takes it; None is the CPU.
        features: of the processor, from `cpu_features`; None: this one's.
    """
    conversion = bundle.meta["metrics"].get(CONVERSION, {})
    if conversion.get("overflow_fix") is not False or not find_engine(engine).adds_in_16_bits:
        return None
    if device is not None and device.lower() != "cpu":
        return None
    known = cpu_features() if features is None else features
    if "AVX2" not in known or "VNNI" in known:
        return None
    return (
        f"{bundle.folder} was quantized without the overflow fix, and this CPU has no VNNI: "
        f"{find_engine(engine).title} may compute it wrongly here without an error; quantize with "
        f"`{command_line('quantize', '--overflow-fix', 'on')}`, or use the fp32 or TFLite bundle"
    )
