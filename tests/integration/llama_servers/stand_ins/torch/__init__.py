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
