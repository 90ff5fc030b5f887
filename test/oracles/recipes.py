"""Fake quantisation of published methods in PyTorch, f64: the oracle of test/e2e/recipes-oracle.test.ts.

Run:  python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install torch==2.15.0 numpy==2.4.6
      /tmp/oracle/bin/python test/oracles/recipes.py [--containers FOLDER] [OUTPUT_FOLDER]        (default: test/fixtures/recipes)

Per case of CASES (a recipe of the library by name, with the overrides that make its result a matter of formulae alone):

  <case>.json   the overrides, calibration text, token ids, digests of each linear's stored codes and scales, a few of them in the open, `spread`: the
                largest |f32 logit - f64 logit| of this same fake quantisation, `peak`: the largest |logit|, `effect`: the largest change of a logit by
                quantising, and `margins`: how near to a border any rounding came, relative to the largest magnitude beside it
  <case>.f32    logits [tokens, vocab] of the f64 forward, rounded once

Calibration text and token ids are the ones, out of many random ones, whose margins are widest. With --containers (made by recipe_containers.ts) each
container is read as docs/format.md describes it, and must hold the same codes, scales, orders and norms.
"""
import argparse, hashlib, json, math, pathlib
import numpy, torch
from recipes_container import cache_of, check, container_logits
from recipes_model import CONFIG as C, PLAIN_CACHE, SITES, build, logits, plain_linears, run_layer
from recipes_quant import Margins, Signs, gptq, hadamard, nearest, quantise_acts, static_grids

SEED = 0x7e78ad
SEQUENCES, LENGTH = 4, 48
FLOAT_OUTPUT = dict(match=dict(site='output'), weight=dict(bits=32), act=dict(bits=32))
RANGE = 'clip={"by":"range","ratio":1}'
KV4, KV8 = ('kv=' + json.dumps(dict(bits=bits, per='token', rope='after'), separators=(',', ':')) for bits in (4, 8))
static = lambda bits: dict(bits=bits, block=32, clip=1, zero='min', range='static')
i8_row = dict(bits=8, block='row', scale='bf16', zero='mid')
i4_64 = dict(bits=4, block=64, scale='f16', zero='mid')

# `set`: what the library is told besides the recipe's name; all else says the same to this script.
CASES = {
    'smoothquant': dict(recipe='smoothquant', set=[], tokens=10, smooth={site: dict(power=.5) for site in SITES if site != 'attn.o'}, weight=i8_row,
                        act=dict(bits=8, block='row', clip=1)),
    'llm-int8': dict(recipe='llm-int8', set=['act.outliers=3'], tokens=10, weight=i8_row, act=dict(bits=8, block='row', clip=1, outliers=3)),
    'zeroquant': dict(recipe='zeroquant', set=[], tokens=10, weight=i4_64, act=dict(bits=8, block='row', clip=1)),
    'quarot': dict(recipe='quarot', set=['rounding=nearest', RANGE], tokens=70, residual=True, heads=True, online=['attn.o', 'mlp.down'],
                   weight=dict(bits=4, block='row', scale='bf16', zero='mid'), act=dict(bits=4, block='row', clip=.9), kv=dict(bits=4, per='token', rope='after', rotate=True)),
    'atom': dict(recipe='atom', set=['split.0.share=0.1', 'clip.ratio=0.85'], tokens=70, gptq=dict(damping=.01, sort=False, updated=True), reorder=('energy', list(SITES)), outliers=.1, ratio=.85,
                 weight=i4_64, wide=i8_row, act=dict(bits=4, block=64, clip=.9), wide_act=dict(bits=8, block='row', clip=1), kv=dict(bits=4, per='token', rope='before')),
    'qoq': dict(recipe='qoq', set=['rounding=nearest'], tokens=10, residual=True, heads=True, online=[], smooth={'mlp.down': dict(power=.3)}, keys=.5,
                reorder=('absmax', ['attn.o', 'mlp.down']), weight=dict(bits=4, block=64, scale='u8', zero='int'), act=dict(bits=8, block='row', clip=1),
                kv=dict(bits=4, per='token', rope='after')),
    'quik': dict(recipe='quik', set=['rounding=nearest', RANGE], tokens=10, outliers=.0625, weight=dict(i8_row, bits=4),
                 wide=dict(bits=16), act=dict(bits=4, block='row', clip=1, zero='min'), sites={'mlp.down': dict(weight=i8_row, act=dict(bits=8, block='row', clip=1, zero='min'))}),
    'dgq': dict(recipe='dgq', set=[RANGE, KV8], tokens=10, smooth={site: dict(share=.005) for site in SITES if site != 'attn.o'},
                weight=dict(bits=4, block=64, scale='u8', zero='int'), act=dict(bits=8, block='row', clip=1, range='static'), kv=dict(bits=8, per='token', rope='after')),
    'rptq': dict(recipe='rptq', set=['transforms.0.by=absmax', 'rounding=nearest', KV4], tokens=24, reorder=('absmax', list(SITES)), weight=dict(bits=4, block=32, scale='f16', zero='min'),
                 act=static(4), sites={'attn.qkv': dict(act=static(8)), 'mlp.gate_up': dict(act=static(8))}, kv=dict(bits=4, per='token', rope='after')),
    'gptq': dict(recipe='gptq', set=[], tokens=24, weight=dict(bits=4, block=64, scale='f16', zero='int'), gptq=dict(damping=.01, sort=True, updated=False)),
}


def random_text(seed, count):
    """Printable ASCII without blanks: with a tokenizer that has no merges, token ids are character codes."""
    return ''.join(chr(33 + i) for i in numpy.random.Generator(numpy.random.Philox(seed)).integers(0, 94, count))


ids_of = lambda text: torch.tensor([ord(ch) for ch in text])
round32 = lambda tensors: {name: w.float().double() for name, w in tensors.items()}
shared = lambda values: values.reshape(C['kvHeads'], C['headDim'])
to_heads = lambda values: shared(values).repeat_interleave(C['heads'] // C['kvHeads'], 0).reshape(-1)


def rotated(case, tensors):
    """Residual stream H D h, heads H D v, online inputs H D x; the inverses are folded into what reads them."""
    w, turn, signs = dict(tensors), None, Signs(SEED)
    if case.get('residual'):
        turn = hadamard(C['hidden']) * signs.take(C['hidden'])
        for n in range(C['layers']):
            for norm, names in (('attn.norm', SITES['attn.qkv']), ('mlp.norm', SITES['mlp.gate_up'])):
                for name in names: w[f'layers.{n}.{name}'] = w[f'layers.{n}.{name}'] * w[f'layers.{n}.{norm}'] @ turn.T
                w[f'layers.{n}.{norm}'] = torch.ones(1, C['hidden'], dtype=torch.float64)
            for name in ('attn.o', 'mlp.down'): w[f'layers.{n}.{name}'] = turn @ w[f'layers.{n}.{name}']
    online = {site: hadamard(w[f'layers.0.{site}'].shape[1]) for site in case.get('online', [])}
    for n in range(C['layers']):
        v, o, up, down = (f'layers.{n}.{name}' for name in ('attn.v', 'attn.o', 'mlp.up', 'mlp.down'))
        if case.get('heads'):
            flips, head = signs.take(C['kvHeads'] * C['headDim']), hadamard(C['headDim'])
            w[v] = torch.block_diag(*[head] * C['kvHeads']) @ (flips[:, None] * w[v])
            w[o] = w[o] * to_heads(flips) @ torch.block_diag(*[head] * C['heads']).T
        if 'attn.o' in online: w[o] = w[o] @ online['attn.o'].T
        if 'mlp.down' in online:
            flips = signs.take(C['ffn'])
            w[up], w[down] = flips[:, None] * w[up], w[down] * flips @ online['mlp.down'].T
    return round32(w), turn, online


class Statistics:
    """Of the inputs of linears, and of keys behind RoPE, of the unquantised model: by name and channel."""
    def __init__(self, tensors, turn, online, texts):
        inputs = {}
        def tap(name, x): inputs.setdefault(name, []).append(x)
        for text in texts: logits(ids_of(text), tensors, floats(tensors, online), PLAIN_CACHE, turn, tap)
        whole = {name: torch.cat(parts) for name, parts in inputs.items()}
        self.energy = {name: x.pow(2).mean(0) for name, x in whole.items()}
        self.least, self.largest = ({name: f(x) for name, x in whole.items()} for f in (lambda x: x.amin(0), lambda x: x.amax(0)))

    def most(self, name): return torch.maximum(self.largest[name], -self.least[name])

    def divide(self, name, factors):
        self.energy[name] = self.energy[name] / factors ** 2
        self.least[name], self.largest[name] = self.least[name] / factors, self.largest[name] / factors


def floats(tensors, online):
    return {name: Online(linear, online.get(name.split('.', 2)[2])) for name, linear in plain_linears(tensors).items()}


class Online:
    """A float linear behind a rotation of its input."""
    def __init__(self, linear, turn): self.linear, self.turn = linear, turn
    def __call__(self, x): return self.linear(x if self.turn is None else x @ self.turn.T)


def smooth_factors(rule, inputs, columns):
    """Xiao et al., 2022: max|X|^a / max|W|^(1 - a), here over the geometric mean. Zhang et al., 2023: the largest share down to the largest of the rest."""
    if 'share' in rule: return (inputs / inputs.sort(descending=True).values[math.floor(rule['share'] * len(inputs) + 1.5) - 1]).clamp(min=1)
    factors = inputs ** rule['power'] / columns ** (1 - rule['power'])
    return factors / factors.log().mean().exp()


def smoothed(case, tensors, statistics):
    """Inputs divided, weights multiplied; the statistics follow. Keys by max|K|^power of RoPE pairs (Lin et al., 2024)."""
    w = dict(tensors)
    for n in range(C['layers']):
        for site, rule in case.get('smooth', {}).items():
            name, names, block = f'layers.{n}.{site}', [f'layers.{n}.{part}' for part in SITES[site]], site.split('.')[0]
            factors = smooth_factors(rule, statistics.most(name), torch.cat([tensors[part] for part in names]).abs().amax(0))
            for part in names: w[part] = w[part] * factors
            if site == 'mlp.down': w[f'layers.{n}.mlp.up'] = w[f'layers.{n}.mlp.up'] / factors[:, None]
            else: w[f'layers.{n}.{block}.norm'] = w[f'layers.{n}.{block}.norm'] / factors
            statistics.divide(name, factors)
        if 'keys' in case:
            pairs = shared(statistics.most(f'layers.{n}.attn.keys')).reshape(C['kvHeads'], 2, -1).amax(1) ** case['keys']
            factors = torch.cat([pairs, pairs], 1).reshape(-1)
            w[f'layers.{n}.attn.k'] = w[f'layers.{n}.attn.k'] / factors[:, None]
            w[f'layers.{n}.attn.q'] = w[f'layers.{n}.attn.q'] * to_heads(factors)[:, None]
    return round32(w)


class Quantised:
    """A linear as the container stores it: segments of permuted channels, and the same call as a float one."""
    def __init__(self, order, segments, margins, turn): self.order, self.segments, self.margins, self.turn = order, segments, margins, turn

    def __call__(self, x):
        if self.turn is not None: x = x @ self.turn.to(x.dtype).T
        if self.order is not None: x = x[:, self.order]
        y = 0
        for s in self.segments:
            part, values = x[:, s['from']:s['to']], s['values'].to(x.dtype).T
            rounded, exact = quantise_acts(part, s['act'], self.margins, s['static']) if s['act'] else (part, None)
            y = y + rounded @ values + (0 if exact is None else exact @ values)
        return y


def orders_of(case, statistics):
    """The place of each channel, ascending by energy or largest magnitude; outliers, by largest magnitude, last."""
    by, sites = case.get('reorder', (None, list(SITES) if 'outliers' in case else []))
    orders = {}
    for name, energy in statistics.energy.items():
        if name.split('.', 2)[2] not in sites: continue
        most, channels = statistics.most(name), range(len(energy))
        keys = {'energy': energy, 'absmax': most, None: torch.zeros(len(energy))}[by]
        order = sorted(channels, key=lambda k: (float(keys[k]), k))
        wide = set(sorted(channels, key=lambda k: (-float(most[k]), k))[:outlier_count(case, len(energy))])
        orders[name] = torch.tensor([k for k in order if k not in wide] + [k for k in order if k in wide])
    return orders


def outlier_count(case, cols):
    """A share of the columns, such that they begin at a multiple of 16."""
    return cols - 16 * math.floor(cols * (1 - case['outliers']) / 16 + .5) if 'outliers' in case else 0


def quantised_layer(case, n, tensors, orders, online, statistics, margins, hessians):
    linears = {}
    for site, names in SITES.items():
        name = f'layers.{n}.{site}'
        own = {**case, **case.get('sites', {}).get(site, {})}
        parts = [tensors[f'layers.{n}.{part}'] for part in names]
        fold = orders.get(f'layers.{n}.mlp.down') if site == 'mlp.gate_up' and 'mlp.down' not in online else None
        w = torch.cat([part if fold is None else part[fold] for part in parts])
        order, cols = orders.get(name), w.shape[1]
        place = slice(None) if order is None else order
        w, cut = w[:, place], cols - outlier_count(case, cols)
        shapes = [(0, cut, own['weight'], own.get('act')), (cut, cols, case.get('wide'), case.get('wide_act'))][:1 + (cut < cols)]
        ratio = case.get('ratio', 1)
        if hessians: rounded = gptq(w, [(a, b, fmt, ratio) for a, b, fmt, _ in shapes], hessians[name][place][:, place], margins=margins, **case['gptq'])
        else: rounded = [nearest(w[:, a:b], fmt, ratio, margins) for a, b, fmt, _ in shapes]
        static = lambda a, b, act: static_grids(*(of[name][place][a:b] for of in (statistics.least, statistics.largest)), act) if act and act.get('range') else None
        segments = [{'from': a, 'to': b, 'codes': codes, 'values': values, 'stored': stored, 'act': act, 'static': static(a, b, act)}
                    for (a, b, _, act), (codes, values, stored) in zip(shapes, rounded)]
        linears[name] = Quantised(None if site == 'mlp.down' and 'mlp.down' not in online else order, segments, margins, online.get(site))
    return linears


def calibrated(case, seed, margins):
    """The quantised model: what the library makes of the same checkpoint, recipe and calibration text."""
    text = random_text(seed, SEQUENCES * LENGTH)
    texts = [text[i:i + LENGTH] for i in range(0, len(text), LENGTH)]
    tensors, turn, online = rotated(case, build())
    statistics = Statistics(tensors, turn, online, texts)
    tensors = smoothed(case, tensors, statistics)
    orders, linears = orders_of(case, statistics), {}
    states = [tensors['embed'][ids_of(t)] if turn is None else tensors['embed'][ids_of(t)] @ turn.T for t in texts]
    for n in range(C['layers']):
        hessians = second_moments(n, tensors, online, states) if 'gptq' in case else None
        linears |= quantised_layer(case, n, tensors, orders, online, statistics, margins, hessians)
        if hessians: states = [run_layer(h, n, tensors, linears, cache_of(case.get('kv'), Margins())) for h in states]
    reads = lambda norm: orders.get(norm.replace('attn.norm', 'attn.qkv').replace('mlp.norm', 'mlp.gate_up'), slice(None))
    norms = {name: w[0][reads(name)] for name, w in tensors.items() if 'norm' in name}
    return dict(text=text, tensors=tensors, turn=turn, linears=linears, norms=norms)


def second_moments(n, tensors, online, states):
    """Mean x x^T of the inputs of a layer's linears, the layer unquantised, its inputs as the quantised layers before it left them."""
    sums = {}
    def tap(name, x):
        x = x if online.get(name.split('.', 2)[2]) is None else x @ online[name.split('.', 2)[2]].T
        sums[name] = sums.get(name, 0) + x.T @ x
    for h in states: run_layer(h, n, tensors, floats(tensors, online), PLAIN_CACHE, tap)
    return {name: total / (SEQUENCES * LENGTH) for name, total in sums.items()}


def forward(case, model, ids, margins, dtype=torch.float64):
    for linear in model['linears'].values(): linear.margins = margins
    tensors = {name: w.to(dtype) for name, w in model['tensors'].items()}
    turn = None if model['turn'] is None else model['turn'].to(dtype)
    return logits(ids, tensors, model['linears'], cache_of(case.get('kv'), margins), turn)


def digest(segment):
    """SHA-256 of a segment's codes, u8 [rows, channels], its rows' steps or scales as bf16, its blocks' scales and zeros, u16 [rows, blocks]; or of f16s."""
    stored = segment['stored']
    if segment['codes'] is None: return hashlib.sha256(stored.astype('<u2').tobytes()).hexdigest()
    parts = [segment['codes'].numpy().astype(numpy.uint8), *(stored[part].astype('<u2') for part in ('rows', 'scales', 'zeros'))]
    return hashlib.sha256(b''.join(part.tobytes() for part in parts)).hexdigest()


def sites_of(case):
    rules = [dict(match=dict(site=site), **formats) for site, formats in case.get('sites', {}).items()]
    return 'sites=' + json.dumps([*rules, FLOAT_OUTPUT], separators=(',', ':'))


def widest(candidates, make, margin):
    """The candidate with the widest margin."""
    best = None
    for candidate in candidates:
        made = make(candidate)
        if best is None or margin(made) > margin(best): best = made
    return best


def run(name, case, folder, containers):
    needs_text = not {'reorder', 'smooth', 'gptq', 'outliers'}.isdisjoint(case)
    def pack(seed):
        margins = Margins()
        return calibrated(case, seed, margins), margins.weights
    model, weight_margin = widest(range(48 if 'smooth' in case else 8 if 'gptq' in case else 1), pack, lambda made: made[1])
    if containers: check(containers / name, model)
    def attempt(seed):
        margins, text = Margins(), random_text(1000 + seed, case['tokens'])
        return forward(case, model, ids_of(text), margins), margins.acts, text
    out, act_margin, text = widest(range(200 if 'act' in case else 1), attempt, lambda made: made[1])
    single = forward(case, model, ids_of(text), Margins(), torch.float32)
    plain = logits(ids_of(text), build(), plain_linears(build()))
    open_ = lambda s: dict(k=[s['from'], s['to']], sha256=digest(s), codes=[] if s['codes'] is None else s['codes'][-1, :12].int().tolist())
    expected = dict(recipe=case['recipe'], set=[*case['set'], sites_of(case)], calibration=model['text'] if needs_text else None, sequences=SEQUENCES, length=LENGTH,
                    ids=ids_of(text).tolist(), spread=float((out - single).abs().max()), peak=float(out.abs().max()), effect=float((out - plain).abs().max()),
                    margins={key: value for key, value in (('weights', weight_margin), ('acts', act_margin)) if value < math.inf},
                    linears={key: [open_(s) for s in linear.segments] for key, linear in model['linears'].items()})
    (folder / f'{name}.json').write_text(json.dumps(expected, indent=1) + '\n')
    out.numpy().astype('<f4').tofile(folder / f'{name}.f32')
    print(f"{name}: margins {weight_margin:.1e} {act_margin:.1e}, spread {expected['spread']:.1e}, effect {expected['effect']:.2f}, peak {expected['peak']:.1f}", flush=True)


def run_branches(folder):
    """Logits of the container that recipe_containers.ts has put there."""
    def attempt(seed):
        margins, text = Margins(), random_text(2000 + seed, 24)
        return container_logits(folder / 'branches', ids_of(text), margins), margins.acts, text
    out, margin, text = widest(range(200), attempt, lambda made: made[1])
    spread = float((out - container_logits(folder / 'branches', ids_of(text), dtype=torch.float32)).abs().max())
    (folder / 'branches.json').write_text(json.dumps(dict(ids=ids_of(text).tolist(), spread=spread, peak=float(out.abs().max()), margins=dict(acts=margin)), indent=1) + '\n')
    out.numpy().astype('<f4').tofile(folder / 'branches.f32')
    print(f'branches: margin {margin:.1e}, spread {spread:.1e}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('output', nargs='?', type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / 'fixtures' / 'recipes')
    parser.add_argument('--containers', type=pathlib.Path)
    parser.add_argument('--only')
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        if options.only in (None, name): run(name, case, options.output, options.containers)
    if (options.output / 'branches').exists() and options.only in (None, 'branches'): run_branches(options.output)


if __name__ == '__main__':
    main()
