"""The payload's first part: values as JSON."""

try:
    from _json import encode_basestring_ascii as quote
except ImportError:  # another Python than CPython

    def quote(text):
        """Return the text as a JSON string in ASCII."""
        units = text.encode("utf-16-be", "surrogatepass")
        codes = [units[i] << 8 | units[i + 1] for i in range(0, len(units), 2)]
        plain = [chr(c) if 32 <= c < 127 and c not in (34, 92) else "\\u%04x" % c for c in codes]
        return '"' + "".join(plain) + '"'


def to_json(value):
    """Return the value as JSON in ASCII, so that nothing in it can be taken for a control sequence."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join([quote(str(key)) + ":" + to_json(value[key]) for key in value]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([to_json(item) for item in value]) + "]"
    return quote(str(value))
