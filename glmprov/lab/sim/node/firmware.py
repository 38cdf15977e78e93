"""GLMPROV SIMULATED firmware: whether Secure Boot is on, and which keys its owner enrolled.

What a reboot keeps lies in /opt/glmlab/firmware. Standard library only: it runs on the node.
"""

import hashlib
from pathlib import Path

import module_file
from glmlab import HARDWARE, STATE, kernel_log, profile

NVRAM = HARDWARE / "firmware"
VARIABLES = STATE / "efi/efivars"
SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
KEY_LIST = "MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
"""Where shim shows the running system which keys it trusts: its vendor's, and those that the owner enrolled."""
_ATTRIBUTES = b"\x06\0\0\0"


def start() -> None:
    """Show the variables, as they are when the firmware hands over to the kernel."""
    NVRAM.mkdir(exist_ok=True)
    if not (NVRAM / "secure-boot").exists():
        (NVRAM / "secure-boot").write_text("on\n" if profile().get("secure_boot") else "off\n")
    VARIABLES.mkdir(parents=True, exist_ok=True)
    show_secure_boot()
    show_keys()


def show_secure_boot() -> None:
    """Bring the variable to what its owner set."""
    is_on = (NVRAM / "secure-boot").read_text() == "on\n"
    (VARIABLES / SECURE_BOOT).write_bytes(_ATTRIBUTES + bytes([is_on]))


def show_keys() -> None:
    """Bring the list of trusted keys to what is enrolled."""
    certificates = [module_file.certificate(module_file.VENDOR)]
    certificates += [path.read_text() for path in sorted((NVRAM / "enrolled").glob("*"))]
    (VARIABLES / KEY_LIST).write_bytes(_ATTRIBUTES + "".join(certificates).encode())


def enforces() -> bool:
    """Tell whether the kernel takes only modules with a signature that it trusts."""
    try:
        return (VARIABLES / SECURE_BOOT).read_bytes()[4:] == b"\x01"
    except OSError:
        return False


def trusts(module: module_file.Module) -> bool:
    """Tell whether this kernel takes a module. If not, its log says why."""
    if not enforces() or module.key == module_file.VENDOR:
        return True
    if module.key and any(module.key == key for key in keys("enrolled")):
        return True
    kernel_log(f"Loading of {'module with unavailable key' if module.key else 'unsigned module'} is rejected")
    return False


def keys(state: str) -> list[module_file.Key]:
    """Return the owner's keys that are "enrolled", or "new" until somebody confirms them at the console."""
    found = (module_file.key_of(path.read_text()) for path in sorted((NVRAM / state).glob("*")))
    return [key for key in found if key]


def ask_to_enroll(certificate: str) -> None:
    """Put a key before the person who will sit at the console at the next boot."""
    path = NVRAM / "new" / hashlib.sha256(certificate.encode()).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(certificate)


def confirm() -> int:
    """Enroll the keys that wait, as that person does. Return how many there were."""
    waiting = sorted((NVRAM / "new").glob("*"))
    (NVRAM / "enrolled").mkdir(parents=True, exist_ok=True)
    for path in waiting:
        path.rename(NVRAM / "enrolled" / path.name)
    show_keys()
    return len(waiting)


def read_certificate(path: str) -> str | None:
    """Return the text of a certificate's file, None if it is none."""
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return text if module_file.key_of(text) else None
