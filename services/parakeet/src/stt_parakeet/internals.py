"""What onnx-asr does not promise, and is used nevertheless. Tried with 0.12.0."""

from typing import Any

import numpy as np

from stt_core.errors import StartError


def check_vocabulary(asr: Any) -> None:
    """Raises StartError where the vocabulary is not that of the network: onnx-asr would take one token for another.

    asr: a model of onnx-asr's. Only of transducers with a decoder_joint can this be told: their network says how many
    tokens it knows, and of a TDT model how many durations.
    """
    decoder = getattr(asr, "_decoder_joint", None)
    if decoder is None:
        return
    given = {one.name: one.shape for one in decoder.get_inputs()}
    state = asr._create_state()
    (outputs,) = decoder.run(
        ["outputs"],
        {
            "encoder_outputs": np.zeros((1, given["encoder_outputs"][1], 1), np.float32),
            "targets": [[asr._blank_idx]],
            "target_length": [1],
            "input_states_1": state[0],
            "input_states_2": state[1],
        },
    )
    durations = outputs.shape[-1] - len(asr._vocab)
    wanted = range(2, 9) if type(asr).__name__.endswith("Tdt") else range(1)
    if durations not in wanted or sorted(asr._vocab) != list(range(len(asr._vocab))):
        raise StartError(f"vocab.txt has {len(asr._vocab)} tokens, and the network knows another number.")
