"""Parts of messages."""

import base64

import server


def photo(name="0024.jpg"):
    """The bytes of a photograph among the fixtures."""
    return (server.PHOTOS / name).read_bytes()


def data_url(name="0024.jpg"):
    return "data:image/jpeg;base64," + base64.b64encode(photo(name)).decode()


def image(name="0024.jpg"):
    return {"type": "image_url", "image_url": {"url": data_url(name)}}


def text(content):
    return {"type": "text", "text": content}


def region(name, *box):
    return {"type": "region", "name": name, "box": list(box)}


def user(*parts):
    """A message of the user: a string, or parts."""
    return {"role": "user", "content": parts[0] if isinstance(parts[0], str) else list(parts)}
