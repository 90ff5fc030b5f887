"""Rounding column by column with NumPy: the oracle of test/quantize/rounding/oracle.test.ts.

Run:  python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install numpy==2.4.6
      /tmp/oracle/bin/python test/oracles/compensated_rounding.py [OUTPUT_FOLDER]        (default: test/fixtures/rounding)

The published algorithm in f64, with the inverse of the Hessian and its Cholesky factor explicit: symmetric 4-bit grids in groups of 32 fitted to the
weights as they were, f16 scales, columns by descending diagonal, damping 0.01. case.bin holds weights f32 [12, 96], the Hessian f32 [96, 96],
codes u8 [12, 96], scales f16 [12, 3]; case.json the errors tr(E H E^T) of this rounding and of nearest codes.
"""
import json, pathlib, sys
import numpy

ROWS, COLS, GROUP, DAMPING = 12, 96, 32, 0.01


def main(root):
    root.mkdir(parents=True, exist_ok=True)
    rng = numpy.random.Generator(numpy.random.Philox(5))
    weights = rng.normal(0, 0.05, (ROWS, COLS)).astype('<f4')
    mixed = rng.normal(0, 1, (400, 24)) @ rng.normal(0, 0.4, (24, COLS)) + rng.normal(0, 0.5, (400, COLS)) + rng.normal(0, 0.3, COLS)
    inputs = mixed * rng.lognormal(0, 0.6, COLS)
    hessian = (inputs.T @ inputs / 400).astype('<f4')

    groups = numpy.arange(COLS) // GROUP
    largest = numpy.abs(weights.astype('f8')).reshape(ROWS, -1, GROUP).max(axis=2)
    scales = (largest / 7).astype('<f2')
    full = scales.astype('f8')[:, groups]
    nearest = lambda values, scale: numpy.clip(numpy.floor(values / scale + 8.5), 0, 15)

    order = numpy.argsort(-numpy.diag(hessian).astype('f8'), kind='stable')
    h = hessian.astype('f8')[order][:, order]
    h += DAMPING * numpy.mean(numpy.diag(h)) * numpy.eye(COLS)
    factor = numpy.linalg.cholesky(numpy.linalg.inv(h)).T
    left = weights.astype('f8')[:, order].copy()
    codes = numpy.zeros((ROWS, COLS))
    for i, channel in enumerate(order):
        scale = full[:, channel]
        codes[:, channel] = nearest(left[:, i], scale)
        error = (left[:, i] - scale * (codes[:, channel] - 8)) / factor[i, i]
        left[:, i:] -= numpy.outer(error, factor[i, i:])

    lost = lambda q: float(numpy.einsum('ri,ij,rj->', full * (q - 8) - weights, hessian.astype('f8'), full * (q - 8) - weights))
    (root / 'case.bin').write_bytes(weights.tobytes() + hessian.tobytes() + codes.astype('u1').tobytes() + scales.tobytes())
    (root / 'case.json').write_text(json.dumps({'error': lost(codes), 'nearest': lost(nearest(weights.astype('f8'), full))}) + '\n')


main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / 'fixtures' / 'rounding'))
