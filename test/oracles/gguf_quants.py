"""Blocks of every tensor type with their f32 values: the oracle of test/importers/blocks.test.ts.

Run:  python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install gguf==0.19.0 numpy==2.4.6
      /tmp/oracle/bin/python test/oracles/gguf_quants.py [OUTPUT_FOLDER]        (default: test/fixtures/gguf)

<TYPE>.bin holds n blocks as a GGUF file has them, then their values as little-endian f32, dequantised by gguf.quants.dequantize.
Half of the blocks are random bytes with scales of a usual size, a quarter random bytes throughout (so also huge, subnormal, infinite and NaN
scales), the rest all zeros, all ones and every awkward half as the scales. The generator is NumPy's Philox: a second run writes the same bytes.
"""
import pathlib, sys
import gguf, numpy
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type

# Name -> byte offsets of the halves in a block (ggml-common.h, block_q4_0 and so on).
HALVES = {'F32': (), 'F16': (0,), 'BF16': (), 'Q4_0': (0,), 'Q4_1': (0, 2), 'Q5_0': (0,), 'Q5_1': (0, 2), 'Q8_0': (0,),
          'Q2_K': (80, 82), 'Q3_K': (108,), 'Q4_K': (0, 2), 'Q5_K': (0, 2), 'Q6_K': (208,)}
AWKWARD = [0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00]  # 0 -0 subnormals 1 max inf NaN


def blocks_of(name, count, rng):
    size = GGML_QUANT_SIZES[Type[name]][1]
    blocks = rng.integers(0, 256, (count, size), dtype=numpy.uint8)
    for at in HALVES[name]:
        blocks[:count // 2, at:at + 2] = rng.normal(0, 0.05, (count // 2, 1)).astype('<f2').view(numpy.uint8)
        for i, half in enumerate(AWKWARD): blocks[-1 - i, at:at + 2] = numpy.array([half], '<u2').view(numpy.uint8)
    blocks[-12], blocks[-13] = 0, 255
    return blocks


def main(root):
    root.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(HALVES):
        elements = GGML_QUANT_SIZES[Type[name]][0]
        rng = numpy.random.Generator(numpy.random.Philox(seed))
        blocks = blocks_of(name, {1: 1024, 32: 64, 256: 28}[elements], rng)
        with numpy.errstate(all='ignore'): values = gguf.quants.dequantize(blocks.reshape(-1), Type[name])
        assert values.size == len(blocks) * elements
        (root / f'{name}.bin').write_bytes(blocks.tobytes() + values.astype('<f4').tobytes())


main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / 'fixtures' / 'gguf')
