"""What can go wrong, in words for the person who builds the image."""


class ImageError(Exception):
    """The image cannot be built; the message says what is to be done."""
