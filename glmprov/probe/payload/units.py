"""The payload's part that asks systemd itself: starting `systemctl` costs as much as all files together.

D-Bus on the private socket that systemctl too would use as root (D-Bus specification, "Message Protocol"): little
endian, one call of Properties.Get for each unit and property, answered in order.
"""

PRIVATE = "/run/systemd/private"
UNIT = "org.freedesktop.systemd1.Unit"
PROPERTIES = "org.freedesktop.DBus.Properties"
METHOD_RETURN, ERROR = 2, 3
OBJECTS = "/org/freedesktop/systemd1/unit/"


def units(names, properties, seconds):
    """Return what `systemctl show` prints for the units, None where the socket is not there or not for us."""
    import _socket

    asked = [(name, item) for name in names for item in properties]
    calls = [get(number + 1, name, item) for number, (name, item) in enumerate(asked)]
    wire = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        wire.settimeout(seconds)
        wire.connect(PRIVATE)
        wire.sendall(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n" + b"".join(calls))
        values = answers(wire, len(calls))
    except (OSError, ValueError):
        return None
    finally:
        wire.close()
    lines = {name: "Id=%s\n" % name for name in names}
    for position, (name, item) in enumerate(asked):
        lines[name] += "%s=%s\n" % (item, values[position])
    return "\n".join(lines.values())


def get(serial, name, item):
    """Return the call that asks for a unit's property."""
    path = OBJECTS + "".join([c if c.isalnum() else "_%02x" % ord(c) for c in name])
    fields = b""
    for field in (
        b"\1\1o\0" + text(path),
        b"\2\1s\0" + text(PROPERTIES),
        b"\3\1s\0" + text("Get"),
        b"\x08\1g\0\2ss\0",
    ):
        fields = even(fields, 8) + field
    body = even(text(UNIT), 4) + text(item)
    return even(b"l\1\0\1" + bits(len(body)) + bits(serial) + bits(len(fields)) + fields, 8) + body


def answers(wire, count):
    """Return the values of so many answers, "" for a refusal. What else systemd says meanwhile is passed over."""
    data = b""

    def take(size):
        nonlocal data
        while len(data) < size:
            part = wire.recv(65536)
            if not part:
                raise ValueError("systemd hung up")
            data += part
        taken, data = data[:size], data[size:]
        return taken

    while take(1) != b"\n":
        pass  # "OK" and an id: we are let in
    found = []
    while len(found) < count:
        head = take(16)
        size = value_at(head, 4)
        body = take(len(even(b"\0" * value_at(head, 12), 8)) + size)[-size:]
        if head[1] in (METHOD_RETURN, ERROR):
            found.append(variant(body) if head[1] == METHOD_RETURN else "")
    return found


def variant(body):
    """Return a text, or a list of texts with blanks between them."""
    start = len(even(body[: body[0] + 2], 4))
    if body[1 : body[0] + 1] == b"s":
        return string_at(body, start)
    end, start, items = start + 4 + value_at(body, start), start + 4, []
    while start < end:
        items.append(string_at(body, start))
        start += len(even(text(items[-1]), 4))
    return " ".join(items)


def string_at(data, start):
    """Return the string that stands there."""
    return data[start + 4 : start + 4 + value_at(data, start)].decode("utf-8", "replace")


def value_at(data, start):
    """Return the number that stands there."""
    return int.from_bytes(data[start : start + 4], "little")


def text(value):
    """Return a string as it stands in a message."""
    return bits(len(value)) + value.encode() + b"\0"


def bits(value):
    """Return a number as it stands in a message."""
    return value.to_bytes(4, "little")


def even(data, size):
    """Return the data filled up to a multiple of size."""
    return data + b"\0" * (-len(data) % size)
