"""Minibatches of real samples, shuffled anew in every epoch, and able to say where they are and go on from there."""

import copy

import numpy as np

from ..backend import device_of, get_array_module, is_array, to_device
from ..errors import CheckpointError, DataError
from .checks import as_generator, whole_number

__all__ = ["Minibatches", "minibatches"]


def minibatches(x, batch_size, rng, device=None):
    """An endless iterator of shuffled minibatches of `x`; see `Minibatches`, which it makes.

    For one array, or for several whose rows belong together:

        batches = minibatches(x, 64, rng)
        x_real = next(batches)                          # (64, …), rows of x
        x_real, y = next(minibatches((x, y), 64, rng))  # two arrays, the same rows of both
    """
    return Minibatches(x, batch_size, rng, device)


class Minibatches:
    """An endless iterator of shuffled, full minibatches.

    Each epoch goes once through a fresh permutation of the samples. The N mod m samples left over at its end are
    dropped: they come elsewhere in the next permutation, and no minibatch is ever smaller than the others.

    x          : floating-point array (N, …) without NaN or infinity, on either device, where it stays; or a tuple of
                 arrays of equal length, of which the first is as above, and labels in the others may be integers
    batch_size : m, from 1 to N
    rng        : a numpy Generator of the iterator's own (it is advanced, not copied), or an int seed
    device     : "cpu" or "cuda" to move the data there first, all at once: no step then waits for a transfer, and the
                 60,000 images of MNIST take 188 MB. None leaves them where they are
    yields     : array (m, …), a copy of rows of `x`; for a tuple, a tuple of these, row for row the same samples
    raises     : DataError for unfit data, ConfigError for an unfit argument; all at once, before the first minibatch

    Attributes: `batch_size`, `batches_per_epoch`, and `epoch`, the number of complete epochs so far.
    """

    def __init__(self, x, batch_size, rng, device=None):
        self._tuple = isinstance(x, tuple)
        arrays = x if self._tuple else (x,)
        self.batch_size = whole_number(batch_size, "batch_size")
        self._size = _check(arrays, self.batch_size)
        self._arrays = [a if device is None else to_device(a, device) for a in arrays]
        self._rng = as_generator(rng)
        self.batches_per_epoch = self._size // self.batch_size
        self.epoch = 0
        self._start_epoch()

    def _start_epoch(self):
        # The permutation is not saved, but the generator's state that makes it: some bytes instead of 8 N.
        self._rng_at_start = copy.deepcopy(self._rng.bit_generator.state)
        order = self._rng.permutation(self._size)
        # Moved once an epoch, so that a step on the GPU waits for no transfer.
        self._orders = [to_device(order, device_of(a)) for a in self._arrays]
        self._position = 0  # minibatches of this epoch that were handed out

    def __iter__(self):
        return self

    def __next__(self):
        start = self._position * self.batch_size
        batch = tuple(a[order[start : start + self.batch_size]] for a, order in zip(self._arrays, self._orders))
        self._position += 1
        # The next epoch starts here, not in the next call: "at the end" and "at the start" are then one state.
        if self._position == self.batches_per_epoch:
            self.epoch += 1
            self._start_epoch()
        return batch if self._tuple else batch[0]

    def state_dict(self):
        """What has to be saved to go on with the very next minibatch: a dict that `json.dumps` accepts."""
        return {
            "rng": _plain(self._rng_at_start),
            "epoch": self.epoch,
            "position": self._position,
            "samples": self._size,
            "batch_size": self.batch_size,
        }

    def load_state_dict(self, state):
        """Go on where `state` was saved: the next minibatches are the same, bit for bit.

        Raises CheckpointError if the state is damaged, or was saved with other data, another minibatch size or
        another kind of generator; the iterator is then as it was before.
        """
        mine = self.state_dict()
        if not isinstance(state, dict) or state.keys() != mine.keys():
            raise CheckpointError("not a state of minibatches", where="load_state_dict", expected=", ".join(mine),
                                  got=", ".join(map(str, state)) if isinstance(state, dict) else repr(state))
        for name, least, end in (("samples", self._size, self._size + 1),
                                 ("batch_size", self.batch_size, self.batch_size + 1),
                                 ("position", 0, self.batches_per_epoch), ("epoch", 0, 2**63)):
            if type(state[name]) is not int or not least <= state[name] < end:
                raise CheckpointError(
                    "the saved state does not fit these data", where=f"load_state_dict, {name}",
                    expected=least if end == least + 1 else f"an int from {least} to {end - 1}", got=repr(state[name]),
                    fix="Resume with the data set and the minibatch size of the saved run",
                )
        before = self._rng.bit_generator.state
        try:
            self._rng.bit_generator.state = state["rng"]
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            self._rng.bit_generator.state = before  # some generators have taken over a part by now
            kind = state["rng"].get("bit_generator") if isinstance(state["rng"], dict) else state["rng"]
            raise CheckpointError("the saved random state does not fit this generator", where="load_state_dict, rng",
                                  expected=f"a state of {before['bit_generator']}", got=repr(kind)) from error
        self.epoch = state["epoch"]
        self._start_epoch()
        self._position = state["position"]


def _plain(value):
    """A generator's state with lists and ints in place of NumPy's arrays (MT19937 has them) and scalars."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return value


def _check(arrays, batch_size):
    """The number of samples in `arrays`, once they are found fit to train on."""
    if not arrays:
        raise DataError("an empty tuple has no samples", where="x", expected="at least one array")
    for i, a in enumerate(arrays):
        where = "x" if len(arrays) == 1 else f"x[{i}]"
        if not is_array(a) or a.ndim == 0:
            raise DataError("not an array of samples", where=where, expected="a NumPy or CuPy array, one row a sample",
                            got=type(a).__name__ if not is_array(a) else "a single number",
                            fix="Use np.asarray(…), or a tuple for several arrays")
        if len(a) != len(arrays[0]):
            raise DataError("the arrays of the tuple differ in length", where=where,
                            expected=f"{len(arrays[0])} samples", got=len(a))
        if a.dtype.kind != "f" and (i == 0 or a.dtype.kind not in "iub"):
            raise DataError(
                "samples must be floating-point numbers" if i == 0 else "not numbers", where=where,
                expected="float32" if i == 0 else "floating-point or whole numbers", got=a.dtype,
                fix="Scale 0 … 255 to [−1, 1]: x = (x / 127.5 - 1).astype(np.float32)" if i == 0 else None,
            )
        if a.dtype.kind == "f":
            _check_finite(a, where)
    size = len(arrays[0])
    if size == 0:
        raise DataError("the data set is empty", where="x", expected="at least one sample",
                        got=f"shape {arrays[0].shape}")
    if batch_size > size:
        raise DataError("a minibatch is larger than the data set", where="batch_size",
                        expected=f"at most {size}", got=batch_size, fix="Use a smaller batch size, or more data")
    return size


def _check_finite(a, where):
    xp = get_array_module(a)
    finite = xp.isfinite(a)
    if not bool(finite.all()):
        rows = finite.reshape(len(a), -1).all(axis=1)
        first = int(xp.argmin(rows))  # argmin of booleans: the first False
        raise DataError("NaN or infinity in the data", where=f"{where}, sample {first}", expected="finite numbers",
                        got=f"{int((~rows).sum())} of {len(a)} samples with NaN or infinity",
                        fix="Remove or mend these samples")
