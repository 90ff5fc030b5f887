"""A reader of Tetrad's containers, written from docs/format.md alone: it tests the documentation as much as the files."""
import json
import numpy, torch
from recipes_model import CONFIG, PLAIN_CACHE, logits, rope
from recipes_quant import Margins, hadamard, quantise_acts, quantise_cache, quantise_channels

PANEL = 16
pad = lambda n, unit=PANEL: (n + unit - 1) // unit * unit


class Container:
    def __init__(self, folder):
        self.manifest = json.loads((folder / 'model.json').read_text())
        self.bytes = b''.join((folder / f'{i:02}.bin').read_bytes() for i in range(len(self.manifest['shards'])))
        assert self.manifest['format'] == 'tetrad' and len(self.bytes) == self.manifest['bytes']

    def array(self, ref, kind): return numpy.frombuffer(self.bytes, kind, ref['bytes'] // numpy.dtype(kind).itemsize, ref['offset'])

    def vector(self, name): return torch.from_numpy(self.array(self.manifest['vectors'][name], '<f4').astype('f8'))

    def segment(self, rows, segment):
        """Codes u8 [rows, channels], or None, and values f64 [rows, channels]."""
        fmt, (a, b) = segment['weight'], segment['k']
        if 'scale' not in fmt: return None, torch.from_numpy(numbers(self.array(segment['data'], f'<f{fmt["bits"] // 8}'), rows, b - a))
        data, steps = self.array(segment['data'], 'u1').reshape(pad(rows) // PANEL, -1), None
        if 'rowScales' in segment:
            words = self.array(segment['rowScales'], '<u4')
            steps = [numpy.frombuffer(part.astype('<u4').tobytes(), '<f4').astype('f8').reshape(-1, PANEL) for part in (words << 16, words & 0xffff0000)]
        codes, values = [], []
        span = b - a if fmt['block'] == 'row' else fmt['block']
        at = 0
        for begin in range(0, b - a, span):
            length = min(span, b - a - begin)
            header, scale, offset = grids(data, at, fmt, steps)
            size = PANEL * pad(length) * fmt['bits'] // 8
            q = UNPACK[fmt['bits']](data[:, at + header:at + header + size], pad(length))[:, :, :length]
            assert not UNPACK[fmt['bits']](data[:, at + header:at + header + size], pad(length))[:, :, length:].any()
            codes.append(q)
            values.append(scale[:, :, None] * q + offset[:, :, None])
            at += header + size
        assert at == data.shape[1]
        join = lambda parts: numpy.concatenate(parts, 2).reshape(-1, b - a)[:rows]
        return torch.from_numpy(join(codes)), torch.from_numpy(join(values))

    def linear(self, name):
        """(permutation or None, [(from, to, codes, values, activation format)])."""
        linear = self.manifest['linears'][name]
        order = self.array(linear['permute'], '<i4') if 'permute' in linear else None
        return order, [(*s['k'], *self.segment(linear['rows'], s), s.get('act')) for s in linear['segments']]


class Stored:
    """A linear as a container holds it: rotation, permutation, segments, branches."""
    def __init__(self, container, name, margins):
        self.linear, (self.order, self.segments) = container.manifest['linears'][name], container.linear(name)
        self.margins, self.turn = margins, hadamard(self.linear['cols']) if self.linear.get('rotate') else None
        pairs = lambda s: torch.from_numpy(container.array(s['actScales'], '<f4').astype('f8').reshape(-1, 2)) if 'actScales' in s else None
        self.static = [pairs(s) for s in self.linear['segments']]
        self.extra = torch.zeros(self.linear['rows'], self.linear['cols'], dtype=torch.float64)
        for branch in self.linear.get('branches', []):
            if branch['kind'] == 'lowRank':
                read = lambda part, rows, length: numbers(container.array(branch[part], f'<f{branch["bits"] // 8}'), rows, length)
                self.extra += torch.from_numpy(read('up', self.linear['rows'], branch['rank']) @ read('down', branch['rank'], self.linear['cols']))
            if branch['kind'] == 'sparse':
                starts, entries = container.array(branch['starts'], '<u4'), container.array(branch['entries'], '<u4')
                values = (entries >> 16).astype('<u2').view('<f2').astype('f8')
                for row in range(self.linear['rows']):
                    for i in range(starts[row], starts[row + 1]): self.extra[row, entries[i] & 0xffff] += values[i]

    def __call__(self, x):
        if self.turn is not None: x = x @ self.turn.to(x.dtype).T
        if self.order is not None: x = x[:, torch.from_numpy(self.order.astype('i8'))]
        y = x @ self.extra.to(x.dtype).T
        for (a, b, _, values, act), static in zip(self.segments, self.static):
            rounded, exact = quantise_acts(x[:, a:b], act, self.margins, static) if act else (x[:, a:b], 0)
            y = y + (rounded + exact) @ values.to(x.dtype).T
        return y

    @property
    def rows(self): return torch.cat([values for *_, values, _ in self.segments], 1)


def cache_of(kv, margins, c=CONFIG, constants=None):
    """Keys and values as they come back from a cache of format `kv`, and queries to match. `constants`: by layer, [k, v][scale, min][channels]."""
    if not kv or kv['bits'] == 32: return PLAIN_CACHE
    turn = hadamard(c['headDim']) if kv.get('rotate') else None
    turned = lambda x: x if turn is None else x @ turn.to(x.dtype).T
    def cache(n, q, k, v):
        def stored(x, part):
            if kv['per'] == 'token': return quantise_cache(x, kv['bits'], margins)
            scale, low = constants[n].to(x.dtype).reshape(2, 2, *x.shape[1:])[part]
            return quantise_channels(x, kv['bits'], scale, low, margins)
        return turned(rope(q, c)), rope(stored(k, 0), c) if kv['rope'] == 'before' else stored(turned(rope(k, c)), 0), stored(v, 1)
    return cache


def container_logits(folder, ids, margins=None, dtype=torch.float64):
    """Logits of a container by the forward pass of the oracle's own model."""
    found, margins = Container(folder), margins or Margins()
    config = {**found.manifest['config'], 'theta': found.manifest['config']['rope']['theta']}
    linears = {name: Stored(found, name, margins) for name in found.manifest['linears']}
    tensors = {name: found.vector(name) for name in found.manifest['vectors']} | {'embed': linears['output'].rows}
    for name, linear in linears.items():  # a norm in front of a permuted linear is stored in permuted order
        norm = name.replace('attn.qkv', 'attn.norm').replace('mlp.gate_up', 'mlp.norm')
        if norm != name and linear.order is not None: tensors[norm] = tensors[norm][numpy.argsort(linear.order)]
    tensors = {name: w.to(dtype) for name, w in tensors.items()}
    cache = cache_of(found.manifest['kv'], margins, config, [tensors.get(f'layers.{n}.attn.kv') for n in range(config['layers'])])
    turn = hadamard(config['hidden']).to(dtype) if found.manifest.get('rotated') else None
    return logits(ids, tensors, linears, cache, turn, output=linears['output'], c=config)


def numbers(values, rows, length):
    """Panels [K][16]."""
    return values.astype('f8').reshape(-1, length, PANEL).swapaxes(1, 2).reshape(-1, length)[:rows]


def grids(data, at, fmt, steps):
    """Bytes of a block's header, and scales and offsets [panels, 16]: the value of code q is scale * q + offset."""
    halves = lambda from_, count=PANEL: numpy.ascontiguousarray(data[:, from_:from_ + 2 * count]).view('<f2').astype('f8')
    whole = lambda from_, kind: numpy.ascontiguousarray(data[:, from_:from_ + PANEL]).view(kind).astype('f8')
    middle = 2 ** (fmt['bits'] - 1)
    if fmt['scale'] == 'bf16': return 0, steps[0], steps[1] if fmt['zero'] == 'min' else -middle * steps[0]
    if fmt['scale'] == 'u3':
        grid = halves(at, 4)
        threes = lambda from_: (numpy.unpackbits(data[:, from_:from_ + 6], axis=1, bitorder='little').reshape(-1, PANEL, 3) * [1, 2, 4]).sum(2)
        scale = grid[:, :1] * threes(at + 8) + grid[:, 1:2]
        return 20, scale, -scale * (grid[:, 2:3] * threes(at + 14) + grid[:, 3:4])
    two = fmt['scale'] == 'u8'
    scale, header = (steps[0] * whole(at, 'u1'), PANEL) if two else (halves(at), 2 * PANEL)
    if fmt['zero'] == 'mid': return header, scale, -middle * scale
    if fmt['zero'] == 'int': return header + PANEL, scale, -scale * whole(at + header, 'u1')
    return (header + PANEL, scale, steps[1] * whole(at + header, 'i1')) if two else (header + 2 * PANEL, scale, halves(at + header))


def quads(vectors):
    """[panels, steps, quad, 16 bytes] as [panels, 16 rows, steps, 4 bytes]: byte 4r + j of a quad's vector belongs to its row r."""
    return vectors.reshape(*vectors.shape[:3], 4, 4).transpose(0, 2, 3, 1, 4).reshape(len(vectors), PANEL, -1, 4)


def channels(parts):
    """Parts of 4 channels each, in order, [panels, 16, steps, 4], as [panels, 16, channels]."""
    return numpy.stack(parts, 3).reshape(*parts[0].shape[:2], -1)


def unpack4(data, length):
    v = quads(data.reshape(len(data), length // 8, 4, 16))
    return channels([v & 15, v >> 4])


def unpack8(data, length):
    v = data.reshape(len(data), length // 8, 4, 2, 16)
    low, high = quads(v[:, :, :, 0]), quads(v[:, :, :, 1])
    return channels([low & 15 | high << 4 & 0xf0, low >> 4 | high & 0xf0])


def unpack6(data, length):
    v = data.reshape(len(data), length // 16, 4, 3, 16)
    a, b, top = (quads(v[:, :, :, i]) for i in range(3))
    return channels([part | (top >> 2 * i & 3) << 4 for i, part in enumerate((a & 15, a >> 4, b & 15, b >> 4))])


def unpack3(data, length):
    v = data.reshape(len(data), length // 16, 6, 16)
    low = quads(v[:, :, :4])
    top = v[:, :, 4:]
    both = numpy.stack([top & 15, top >> 4], 3).reshape(len(data), length // 16, 4, 16)
    high = quads(both)
    return channels([low >> 2 * i & 3 | (high >> i & 1) << 2 for i in range(4)])


UNPACK = {3: unpack3, 4: unpack4, 6: unpack6, 8: unpack8}


def check(folder, model):
    """Whether a container holds a model: orders, norms, codes and values. Prints where it does not."""
    found, bad = Container(folder), []
    for name, own in model['linears'].items():
        order, segments = found.linear(name)
        if (order is None) != (own.order is None) or order is not None and order.tolist() != own.order.tolist(): bad.append(f'{name}: another order')
        for (a, b, codes, values, _), s in zip(segments, own.segments, strict=True):
            different = 0 if codes is None else int((codes != s['codes']).sum())
            if (a, b) != (s['from'], s['to']) or different: bad.append(f'{name}: {different} of {s["values"].numel()} codes of {a}-{b} differ')
            error = (values - s['values']).abs().max() / s['values'].abs().max()
            if not error < 1e-6: bad.append(f'{name}: values of {a}-{b} differ by {float(error):.1e} of the largest')
    for name, norm in model['norms'].items():
        if not torch.allclose(found.vector(name), norm, rtol=2e-6, atol=0): bad.append(f'{name} differs')
    for line in bad or ['the container holds the same']: print(f'  {line}', flush=True)
