"""Stands in for torch, which the servers only ask for a thread count and for the devices there are."""


def set_num_threads(count: int) -> None:
    pass


class _Device:
    @staticmethod
    def is_available() -> bool:
        return False


class backends:  # noqa: N801  # torch's own name
    mps = _Device


cuda = _Device


class Tensor:
    """Named in annotations only."""


def device(name: str) -> str:
    return name


def no_grad():
    """A decorator that changes nothing."""
    return lambda function: function
