"""P2P through BAR1: registry keys of the driver that one-shot all-reduce needs, and when they are right.

Without them, kernels that read other cards' memory are slow between cards that meet at a host bridge, while copies and
NCCL are usually fine; cards behind one PCIe switch usually need nothing.
Sources: local-inference-lab/rtx6kpro, hardware/pcie-bandwidth.md and optimization/pcie-oneshot-allreduce.md;
noonghunna/club-3090 pull request 874 (a small BAR1 hangs NCCL); tinygrad/open-gpu-kernel-modules issue 44 (IOMMU).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from glmprov.plan.situation import Situation
from glmprov.state import Setting, Unknown

OPTION = "nvidia.NVreg_RegistryDwords"
KEYS = {
    "ForceP2P": "0x11",
    "RMForceP2PType": "1",
    "RMPcieP2PType": "2",
    "GrdmaPciTopoCheckOverride": "1",
    "EnableResizableBar": "1",
}
TRANSLATING = ("on", "force", "strict", "nopt")
"""Values of iommu= under which the IOMMU stands between cards."""


@dataclass(frozen=True)
class Forced:
    """The value of OPTION with its reason, None where it isn't set; what a person should know; what can't be done."""

    value: str | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def forced(situation: Situation) -> Forced:
    """Decide on the registry keys by host_tuning_p2p. "off" leaves them alone, whatever they are."""
    wanted = situation.settings.host_tuning.p2p or "off"
    if wanted == "off":
        return Forced()
    hindered = tuple(_hindrances(situation))
    if wanted == "forced":
        faults = tuple(f"host_tuning_p2p forced: {why}" for why in hindered)
        return Forced(faults=faults) if faults else Forced(_merged(situation), "inventory")
    why = (*_needless(situation), *hindered)
    if why:
        return Forced(notes=(f"P2P isn't forced: {why[0]}",))
    return Forced(
        _merged(situation), "cards meet at a host bridge: one-shot all-reduce needs P2P through BAR1 there"
    )


def _needless(situation: Situation) -> Iterator[str]:
    """Yield why nothing would be won, or why that can't be told yet."""
    pairs = list(combinations(situation.topology.cards, 2))
    if pairs and all(set(one.path) & set(other.path) for one, other in pairs):
        yield "every pair of cards is behind one PCIe switch"
    if any(card.entry is None for card in situation.topology.cards):
        yield "not every card is in the catalog"
    if situation.gpus is None and situation.bare_metal_with_several_cards:
        yield "the cards' BAR1 is known when the driver answers"


def _hindrances(situation: Situation) -> Iterator[str]:
    """Yield why it can't work."""
    if len(situation.topology.cards) < 2:
        yield "the host has one card"
    elif not situation.bare_metal_with_several_cards:
        yield "the host is a virtual machine, its PCI topology isn't the real one"
    for gpu in situation.gpus or ():
        small = not isinstance(gpu.bar1_bytes, Unknown) and not isinstance(gpu.memory_bytes, Unknown)
        if small and int(gpu.bar1_bytes) < int(gpu.memory_bytes):  # type: ignore[arg-type]
            yield (
                f"{gpu.uuid} shows {int(gpu.bar1_bytes) >> 20} MiB of its "  # type: ignore[arg-type]
                f"{int(gpu.memory_bytes) >> 20} MiB in BAR1; "  # type: ignore[arg-type]
                "turn on Above 4G Decoding and Resizable BAR in the firmware"
            )
    yield from _translation(situation)


def _translation(situation: Situation) -> Iterator[str]:
    for name in ("iommu", "amd_iommu", "intel_iommu"):
        said = situation.argument(name)
        if said in TRANSLATING and situation.argument("iommu") != "pt":
            yield f"the kernel command line says {name}={said}: the IOMMU stands between the cards"
            return


def _merged(situation: Situation) -> str:
    """Return the registry keys that are there with ours over them: others' stay."""
    observed = situation.observation.state.host_tuning
    options = observed.module_options if observed else None
    setting = options.get(OPTION) if not isinstance(options, Unknown | None) else None
    present = setting.declared if isinstance(setting, Setting) else None
    theirs = dict(part.partition("=")[::2] for part in str(present or "").split(";") if "=" in part)
    return ";".join(f"{name}={value}" for name, value in {**theirs, **KEYS}.items())
