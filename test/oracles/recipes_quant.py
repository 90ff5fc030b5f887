"""Quantisers in PyTorch, f64, written from the papers' formulae and from what the container stores (docs/format.md): no code is shared with `src`.

Every rounding that f32 arithmetic could decide otherwise reports how far it was from the border, relative to the largest magnitude of what is rounded
(`Margins`): recipes.py picks calibration and token ids that keep all of them clear of it, so that codes can be compared for equality.
"""
import math
import numpy, torch

f16 = lambda x: x.float().half().to(x.dtype)
bits16 = lambda x, kind: x.float().to(kind).view(torch.int16).numpy().astype(numpy.uint16)


class Margins:
    """The least distances of activations' and of weights' roundings from their borders."""
    def __init__(self): self.acts = self.weights = math.inf
    def act(self, distance): self.acts = min(self.acts, float(distance.min())) if distance.numel() else self.acts
    def weight(self, distance): self.weights = min(self.weights, float(distance.min())) if distance.numel() else self.weights


def border(t, low, high):
    """Distance of t from the nearest half-integer inside [low, high]."""
    nearest = torch.clamp(torch.floor(t) + 0.5, low + 0.5, high - 0.5)
    return (t - nearest).abs()


def half_border(x, kind):
    """Distance of x from the number half-way to the neighbours of its f16 or bf16."""
    at = x.float().to(kind)
    beside = [torch.nextafter(at, torch.full_like(at, end)).double() for end in (math.inf, -math.inf)]
    return torch.minimum(*((x - (at.double() + b) / 2).abs() for b in beside))


# Activations: x [tokens, channels]

def code_range(act):
    most = 2 ** (act['bits'] - 1) - 1
    return (-most - 1 if act.get('zero') and act['bits'] == 4 else -most), most


def act_grid(low, high, act):
    """Scale and centre of blocks with values from low to high: symmetric, or with the middle of the range at the middle of the codes, or static with zero among them."""
    least, most = code_range(act)
    if not act.get('zero'): return torch.maximum(-low, high) * act['clip'] / most, torch.zeros_like(low)
    static = act.get('range') == 'static'
    if static: low, high = low.clamp(max=0), high.clamp(min=0)
    scale = (high - low) * act['clip'] / (most - least)
    centre = (low + high) / 2 - scale * (most + least) / 2
    return scale, scale * torch.round(centre / scale) if static else centre


def static_grids(least, largest, act):
    """(scale, centre) of each block, f32, from the least and largest value of each channel."""
    ends = [(least[a:b].min(), largest[a:b].max()) for a, b in blocks_of(len(least), act)]
    return torch.stack([torch.stack(act_grid(low, high, act)) for low, high in ends]).float().double()


def quantise_acts(x, act, margins, static=None):
    """x [tokens, channels], ties to even. `static`: (scale, centre) of each block; default: from each token's values. Returns (values, what stays float)."""
    exact = torch.zeros_like(x)
    if act.get('outliers'):
        margins.act((x.abs() - act['outliers']).abs() / act['outliers'])
        exact = torch.where(x.abs() >= act['outliers'], x, exact)
    rest, out = x - exact, []
    least, most = code_range(act)
    for i, (a, b) in enumerate(blocks_of(x.shape[1], act)):
        part = rest[:, a:b]
        scale, centre = act_grid(part.amin(1, keepdim=True), part.amax(1, keepdim=True), act) if static is None else static[i].to(x.dtype)
        t = (part - centre) / scale
        margins.act(border(t, least, most) * scale / part.abs().amax(1, keepdim=True))
        out.append(centre + scale * torch.clamp(torch.round(t), least, most))
    return torch.cat(out, 1), exact


def quantise_cache(x, bits, margins):
    """x [tokens, heads, channels]: asymmetric per token and head; f16 minimum, f16 scale from the rounded minimum to the maximum, ties to even."""
    most, size = 2 ** bits - 1, x.abs().amax(-1, keepdim=True)
    low = x.amin(-1, keepdim=True)
    least = f16(low)
    wide = (x.amax(-1, keepdim=True) - least) / most
    scale = f16(wide)
    margins.act(half_border(low, torch.float16) / size)
    margins.act(half_border(wide, torch.float16) * most / size)
    t = (x - least) / scale
    margins.act(border(t, 0, most) * scale / size)
    return least + scale * torch.clamp(torch.round(t), 0, most)


def quantise_channels(x, bits, scale, low, margins):
    """The same by constants of each channel."""
    t = (x - low) / scale
    margins.act(border(t, 0, 2 ** bits - 1) * scale / x.abs().amax(-1, keepdim=True))
    return low + scale * torch.clamp(torch.round(t), 0, 2 ** bits - 1)


# Weights: w [rows, channels]; the value of code q is scale * (q - zero)

def take_codes(w, scale, zero, bits, margins):
    t = w / scale + zero
    if margins: margins.weight(border(t, 0, 2 ** bits - 1) * scale / w.abs().amax())
    return torch.clamp(torch.floor(t + 0.5), 0, 2 ** bits - 1)


def grid_of(w, fmt, ratio):
    """Scale and zero point of rows of one block, before they are stored; with real minima the zero point is any number."""
    most = 2 ** fmt['bits'] - 1
    high, low = w.amax(1, keepdim=True), w.amin(1, keepdim=True)
    if fmt['zero'] == 'mid':
        half = 2 ** (fmt['bits'] - 1)
        return torch.maximum(high, -low) * ratio / (half - 1), torch.full_like(high, half)
    if fmt['zero'] == 'min':
        scale = (high - low) * ratio / most
        return scale, ((1 - ratio) / 2 * (low - high) - low) / scale
    high, low = high.clamp(min=0) * ratio, low.clamp(max=0) * ratio
    scale = (high - low) / most
    return scale, torch.clamp(torch.floor(-low / scale + 0.5), max=most)


def blocks_of(length, fmt):
    span = length if fmt['block'] == 'row' else fmt['block']
    return [(a, min(length, a + span)) for a in range(0, length, span)]


def stored_grids(w, fmt, ratio, margins=None):
    """Grids of all blocks as they are stored: scales and zeros [rows, blocks], and the bytes that stand for them."""
    blocks = [w[:, a:b] for a, b in blocks_of(w.shape[1], fmt)]
    grids = [grid_of(block, fmt, ratio) for block in blocks]
    scale, zero = (torch.cat(part, 1) for part in zip(*grids))
    most, none = 2 ** fmt['bits'] - 1, numpy.zeros(0, numpy.uint16)
    if fmt['scale'] == 'u8':
        # Two levels: steps of an 8-bit grid of +-119, on which (q - z) * s2 stays in i8; integer scales next to the real ones.
        reach = torch.maximum((zero * scale).abs(), (scale * (most - zero)).abs()).amax(1)
        raised = ((reach / 119).float().view(torch.int32) + 0xffff) & -65536
        step = raised.view(torch.float32).double()[:, None]
        code = torch.floor(scale / step + 0.5)
        if margins: margins.weight(border(scale / step, 0, 255) * step / scale)
        assert bool((code * torch.maximum(zero, most - zero) <= 127).all())
        return code * step, zero, dict(rows=bits16(step[:, 0], torch.bfloat16), scales=code.numpy().astype(numpy.uint16), zeros=zero.numpy().astype(numpy.uint16))
    kind = torch.float16 if fmt['scale'] == 'f16' else torch.bfloat16
    if margins: margins.weight(half_border(scale, kind) / scale)
    stored = scale.float().to(kind).double()
    zeros = zero.numpy().astype(numpy.uint16) if fmt['zero'] == 'int' else none
    if fmt['zero'] == 'min':
        # With a scale other than its own, a block keeps its mean by another minimum, which is rounded in its turn.
        means = torch.cat([torch.clamp(torch.floor(block / s + z + 0.5), 0, most).mean(1, keepdim=True) for block, (s, z) in zip(blocks, grids)], 1)
        minimum = (scale - stored) * means - zero * scale
        zero, zeros = -minimum.float().to(kind).double() / stored, bits16(minimum, kind)
    bits = bits16(scale, kind)
    if fmt['scale'] == 'bf16': return stored, zero, dict(rows=bits[:, 0], scales=none, zeros=none)
    return stored, zero, dict(rows=none, scales=bits, zeros=zeros)


def spread(grids, length, fmt):
    """[rows, blocks] as [rows, channels]."""
    return torch.cat([grids[:, i:i + 1].expand(-1, b - a) for i, (a, b) in enumerate(blocks_of(length, fmt))], 1)


def nearest(w, fmt, ratio, margins):
    """Codes, values and stored bytes of a segment; of numbers, the values and their bytes."""
    if fmt['bits'] == 16: return None, f16(w), bits16(w, torch.float16)
    scale, zero, stored = stored_grids(w, fmt, ratio, margins)
    s, z = spread(scale, w.shape[1], fmt), spread(zero, w.shape[1], fmt)
    codes = take_codes(w, s, z, fmt['bits'], margins)
    return codes, s * (codes - z), stored


def gptq(w, segments, H, damping, sort, updated, margins):
    """
    Frantar et al., 2022: column by column, errors through the upper Cholesky factor of the inverse. `segments`: (from, to, format, ratio), the last ones
    last. `sort`: columns of a segment by descending diagonal. `updated`: grids are fitted to what is left of the weights when their block begins.
    Numbers take the others' errors and make none. Returns (codes, values, stored bytes) per segment.
    """
    diagonal = H.diagonal()
    order = [j for a, b, _, _ in segments for j in (sorted(range(a, b), key=lambda j: (-float(diagonal[j]), j)) if sort else range(a, b))]
    damped = H[order][:, order] + damping * diagonal.mean() * torch.eye(len(order), dtype=torch.float64)
    factor = torch.linalg.cholesky(torch.linalg.inv(damped), upper=True)
    rest, stored = w[:, order].clone(), [[] for _ in segments]
    codes, values, s, z = (torch.zeros_like(w) for _ in range(4))
    def fit(index, a, b, source):
        fmt, ratio = segments[index][2:]
        scale, zero, kept = stored_grids(source, {**fmt, 'block': 'row'}, ratio)
        s[:, a:b], z[:, a:b] = scale, zero
        stored[index].append(kept)
    begins = {}
    for index, (a, b, fmt, _) in enumerate(segments):
        for c, d in blocks_of(b - a, fmt) if fmt['bits'] < 16 else []:
            if updated: begins[a + c] = (index, a + c, a + d)
            else: fit(index, a + c, a + d, w[:, a + c:a + d])
    for i, j in enumerate(order):
        if i in begins: fit(*begins[i], rest[:, i:begins[i][2]])
        fmt = next(fmt for a, b, fmt, _ in segments if a <= j < b)
        if fmt['bits'] == 16:
            values[:, j] = f16(rest[:, i])
            continue
        codes[:, j] = take_codes(rest[:, i:i + 1], s[:, j:j + 1], z[:, j:j + 1], fmt['bits'], margins)[:, 0]
        values[:, j] = s[:, j] * (codes[:, j] - z[:, j])
        rest[:, i + 1:] -= ((rest[:, i] - values[:, j]) / factor[i, i])[:, None] * factor[i:i + 1, i + 1:]
    join = lambda parts: numpy.concatenate([p if p.ndim == 2 else p.reshape(len(p), -1) for p in parts], 1) if parts[0].size else parts[0]
    bytes_of = lambda blocks: {key: blocks[0][key] if key == 'rows' else join([b[key] for b in blocks]) for key in ('rows', 'scales', 'zeros')}
    return [(codes[:, a:b], values[:, a:b], bytes_of(stored[i])) if fmt['bits'] < 16 else (None, values[:, a:b], bits16(values[:, a:b], torch.float16))
            for i, (a, b, fmt, _) in enumerate(segments)]


# Rotations

def is_prime(n): return n > 1 and all(n % d for d in range(2, int(n ** 0.5) + 1))


def jacobsthal(q):
    squares = {i * i % q for i in range(1, q)}
    return numpy.array([[0 if i == j else 1 if (i - j) % q in squares else -1 for j in range(q)] for i in range(q)])


def paley(order):
    """Paley, 1933: I from a prime 3 (mod 4), II from a prime 1 (mod 4); None where neither gives this order."""
    if order == 1: return numpy.ones((1, 1), int)
    border_of = lambda q, sign: numpy.block([[numpy.zeros((1, 1), int), numpy.ones((1, q), int)], [sign * numpy.ones((q, 1), int), jacobsthal(q)]])
    if is_prime(order - 1) and order % 4 == 0: return numpy.eye(order, dtype=int) + border_of(order - 1, -1)
    q = order // 2 - 1
    if order % 4 or not is_prime(q) or q % 4 != 1: return None
    return numpy.kron(border_of(q, 1), [[1, 1], [1, -1]]) + numpy.kron(numpy.eye(q + 1, dtype=int), [[1, -1], [-1, -1]])


def hadamard(width):
    """Orthonormal: the smallest Paley factor times Sylvester's matrix."""
    order = width
    while order % 2 == 0: order //= 2
    while paley(order) is None: order *= 2
    matrix = paley(order)
    while len(matrix) < width: matrix = numpy.kron(matrix, [[1, 1], [1, -1]])
    result = torch.from_numpy(matrix.astype(numpy.float64)) / math.sqrt(width)
    assert torch.allclose(result @ result.T, torch.eye(width, dtype=torch.float64), atol=1e-12)
    return result


class Signs:
    """Random signs: the top bit of xoshiro128** (Blackman and Vigna, 2018), its state two words of SplitMix64."""
    def __init__(self, seed):
        self.s, mask = [], 2 ** 64 - 1
        for _ in range(2):
            seed = (seed + 0x9e3779b97f4a7c15) & mask
            z = ((seed ^ seed >> 30) * 0xbf58476d1ce4e5b9) & mask
            z = ((z ^ z >> 27) * 0x94d049bb133111eb) & mask
            z ^= z >> 31
            self.s += [z & 0xffffffff, z >> 32]

    def word(self):
        s, mask = self.s, 0xffffffff
        turn = lambda x, k: (x << k | x >> 32 - k) & mask
        result = turn(s[1] * 5 & mask, 7) * 9 & mask
        t = s[1] << 9 & mask
        s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= t; s[3] = turn(s[3], 11)
        return result

    def take(self, count): return torch.tensor([-1.0 if self.word() >> 31 else 1.0 for _ in range(count)], dtype=torch.float64)
