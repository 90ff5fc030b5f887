"""The seeded Llama of test/support/tiny-model.ts and its forward pass in PyTorch, f64: what test/oracles/recipes.py quantises.

Weights are those of `tinyStore` (FNV-1a of a tensor's name seeds mulberry32; the sum of four uniforms; f32), with outlier channels as
test/support/outlier-store.ts makes them: hidden channels 5 mod 24 are 8 times larger behind every norm, rows 7 mod 40 of `up` 4 times.
"""
import math
import numpy, torch

CONFIG = dict(layers=2, hidden=144, heads=6, kvHeads=2, headDim=24, ffn=160, vocab=136, normEps=1e-5, theta=10000.0)


def uniform(seed, count):
    """mulberry32: `count` numbers in [0, 1), f64. Its state is a counter, so all of them are made at once."""
    u32 = lambda x: x & numpy.uint64(0xffffffff)
    state = u32(numpy.uint64(seed) + numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x6d2b79f5))
    t = u32((state ^ (state >> numpy.uint64(15))) * (state | numpy.uint64(1)))
    t = u32(t ^ u32(t + u32((t ^ (t >> numpy.uint64(7))) * (t | numpy.uint64(61)))))
    return (t ^ (t >> numpy.uint64(14))).astype(numpy.float64) / 2 ** 32


def fnv(text):
    h = 2166136261
    for c in text: h = ((h ^ ord(c)) * 16777619) & 0xffffffff
    return h


def tensor(name, rows, cols):
    u = uniform((fnv(name) + 1) & 0xffffffff, 4 * rows * cols).reshape(-1, 4)
    normal = (u[:, 0] + u[:, 1] + u[:, 2] + u[:, 3] - 2) * 1.7320508
    values = (1 + 0.1 * normal if rows == 1 else normal / math.sqrt(cols)).astype(numpy.float32).reshape(rows, cols)
    if name.endswith('attn.norm') or name.endswith('mlp.norm'): values[:, 5::24] *= 8
    if name.endswith('mlp.up'): values[7::40] *= 4
    return torch.from_numpy(values.astype(numpy.float64))


def build(c=CONFIG):
    """All tensors by canonical name, f64 that hold f32; norms are rows."""
    q, kv = c['heads'] * c['headDim'], c['kvHeads'] * c['headDim']
    shapes = {'embed': (c['vocab'], c['hidden']), 'norm': (1, c['hidden'])}
    for n in range(c['layers']):
        shapes |= {f'layers.{n}.{name}': shape for name, shape in {
            'attn.norm': (1, c['hidden']), 'attn.q': (q, c['hidden']), 'attn.k': (kv, c['hidden']), 'attn.v': (kv, c['hidden']), 'attn.o': (c['hidden'], q),
            'mlp.norm': (1, c['hidden']), 'mlp.gate': (c['ffn'], c['hidden']), 'mlp.up': (c['ffn'], c['hidden']), 'mlp.down': (c['hidden'], c['ffn'])}.items()}
    return {name: tensor(name, *shape) for name, shape in shapes.items()}


def rope(x, c=CONFIG):
    """x [tokens, heads, headDim], position t at row t. Frequencies and angles are f32, as models are trained; the rotation itself is exact."""
    half = c['headDim'] // 2
    freq = (1 / torch.tensor(c['theta'], dtype=torch.float64) ** (torch.arange(half, dtype=torch.float64) / half)).float()
    angle = (torch.arange(x.shape[0], dtype=torch.float32)[:, None] * freq).double()[:, None]
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rms(h, gamma):
    return h / (h.pow(2).mean(-1, keepdim=True) + CONFIG['normEps']).sqrt() * gamma


class Plain:
    """Float weights; a quantised linear offers the same call."""
    def __init__(self, weight): self.weight = weight
    def __call__(self, x): return x @ self.weight.T


def plain_linears(tensors, c=CONFIG):
    at = lambda n, *names: torch.cat([tensors[f'layers.{n}.{name}'] for name in names])
    return {f'layers.{n}.{site}': Plain(at(n, *names)) for n in range(c['layers']) for site, names in SITES.items()}


SITES = {'attn.qkv': ('attn.q', 'attn.k', 'attn.v'), 'attn.o': ('attn.o',), 'mlp.gate_up': ('mlp.gate', 'mlp.up'), 'mlp.down': ('mlp.down',)}


def attention(q, k, v, c=CONFIG):
    """Causal, grouped: q [tokens, heads, headDim], k and v [tokens, kvHeads, headDim]."""
    group = c['heads'] // c['kvHeads']
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = torch.einsum('qhd,khd->hqk', q, k) / math.sqrt(c['headDim'])
    mask = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
    return torch.einsum('hqk,khd->qhd', scores.masked_fill(mask, -math.inf).softmax(-1), v)


def run_layer(h, n, tensors, linears, cache, tap=None, c=CONFIG):
    """One layer. `cache`: what keys and values are turned into where they are stored, and how queries match: (layer, queries, keys, values) -> queries, keys, values."""
    see = tap or (lambda name, x: None)
    def linear(site, x):
        see(f'layers.{n}.{site}', x)
        return linears[f'layers.{n}.{site}'](x)
    T, (H, K, D) = h.shape[0], (c['heads'], c['kvHeads'], c['headDim'])
    y = linear('attn.qkv', rms(h, tensors[f'layers.{n}.attn.norm']))
    q, k, v = (part.reshape(T, -1, D) for part in y.split([H * D, K * D, K * D], -1))
    see(f'layers.{n}.attn.keys', rope(k, c).reshape(T, -1))
    q, k, v = cache(n, q, k, v)
    h = h + linear('attn.o', attention(q, k, v, c).reshape(T, -1))
    gate, up = linear('mlp.gate_up', rms(h, tensors[f'layers.{n}.mlp.norm'])).split(c['ffn'], -1)
    return h + linear('mlp.down', gate * torch.sigmoid(gate) * up)


PLAIN_CACHE = lambda n, q, k, v: (rope(q), rope(k), v)


def logits(ids, tensors, linears, cache=PLAIN_CACHE, turn=None, tap=None, output=None, c=CONFIG):
    """[tokens, vocab]. `turn`: orthogonal matrix that hidden states are multiplied by between embedding and last norm. `output`: default, the embedding."""
    h = tensors['embed'][ids]
    if turn is not None: h = h @ turn.T
    for n in range(c['layers']): h = run_layer(h, n, tensors, linears, cache, tap, c)
    if turn is not None: h = h @ turn
    return (output or Plain(tensors['embed']))(rms(h, tensors['norm']))
