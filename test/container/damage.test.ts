import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openReference } from '../../src/backends/reference/index.ts';
import { openContainer } from '../../src/container/read.ts';
import { writeContainer } from '../../src/container/write.ts';
import { TetradError } from '../../src/core/errors.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import { parseRecipe } from '../../src/quantize/parse.ts';
import { recipe as named } from '../../src/quantize/registry.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { bytesDirectory } from '../support/bytes.ts';
import { imageBytes } from '../support/image.ts';
import { memorySink } from '../support/memory-sink.ts';
import { imageOf, pack, storeFor } from '../support/pack.ts';
import { tinyStore } from '../support/tiny-model.ts';

type Files = Record<string, Uint8Array>;
/** Parsed JSON, changed freely. */
type Json = ReturnType<typeof JSON.parse>;
let files: Files;
let text: string;

beforeAll(async () => {
  const sink = memorySink();
  await writeContainer(await pack(tinyStore({ config: { layers: 1, vocab: 260 } }), 'w4ax'), sink);
  files = sink.files!;
  text = new TextDecoder().decode(files['model.json']);
});

/** How opening and reading every byte ends: `ok` or the error's code and message. */
async function outcome(changed: Files): Promise<string> {
  try {
    await imageBytes(await openContainer(bytesDirectory(changed)));
    return 'ok';
  } catch (error) {
    if (TetradError.is(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

const withJson = (change: (json: Json) => void): Files => {
  const json: Json = JSON.parse(text);
  change(json);
  return { ...files, 'model.json': new TextEncoder().encode(JSON.stringify(json)) };
};

describe('openContainer() on containers with branches, rotations and static activations', () => {
  const DOWN = 'layers.0.mlp.down';
  let rich: Files;
  const change = async (edit: (linear: Json, json: Json) => void): Promise<string> => {
    const json: Json = JSON.parse(new TextDecoder().decode(rich['model.json']));
    edit(json.linears[DOWN], json);
    return outcome({ ...rich, 'model.json': new TextEncoder().encode(JSON.stringify(json)) });
  };
  beforeAll(async () => {
    const act = { bits: 4, block: 32, clip: 1, zero: 'min', range: 'static' };
    const recipe = parseRecipe({
      ...named('w4a8'), act, kv: { bits: 4, per: 'static', rope: 'after' }, sites: [],
      transforms: [{ kind: 'rotate', residual: true, heads: true, online: ['mlp.down'] }],
      split: [{ kind: 'columns', share: 0.2, weight: { bits: 16 }, act: { bits: 32 } }, { kind: 'sparse', share: 0.01 }, { kind: 'lowRank', rank: 16, iterations: 1 }],
    });
    const sink = memorySink();
    await writeContainer(await pack(storeFor('w4a8', { config: { layers: 1 } }), recipe), sink);
    rich = sink.files!;
  });

  it('accepts what was written', async () => expect(await change(() => {})).toBe('ok'));

  it.each<[string, (linear: Json, json: Json) => void, RegExp]>([
    ['an unknown branch', ({ branches }) => { branches[0].kind = 'other'; }, /branches\.0\.kind is "other"/],
    ['two branches of a kind', ({ branches }) => { branches.push(branches[0]); }, /has two branches of one kind/],
    ['a rank that the factors do not have', ({ branches }) => { branches[0].rank = 32; }, /the first factor of layers\.0\.mlp\.down has \d+ bytes, needed are/],
    ['a rank that is no panel', ({ branches }) => { branches[0].rank = 20; }, /branches\.0\.rank is 20/],
    ['half of a single weight', ({ branches }) => { branches[1].entries.bytes -= 2; }, /has \d+ bytes of single weights in 192 channels/],
    ['missing activation scales', ({ segments }) => { delete segments[0].actScales; }, /has activation scales where its format has none, or none where it has/],
    ['integer activations of numbers', ({ segments }) => { segments[1].act = segments[0].act; }, /integer activations and weights without a grid/],
    ['integer activations behind f32 ones', ({ segments }) => { delete segments[0].act; delete segments[0].actScales; segments[1].act = { bits: 8, block: 'row', clip: 1 }; segments[1].weight = segments[0].weight; }, /layers\.0\.mlp\.down has integer activations in channels \d+ to 192, behind f32 ones/],
    ['missing constants of a static cache', (_, json) => { delete json.vectors['layers.0.attn.kv']; }, /vector layers\.0\.attn\.kv is missing/],
  ])('names %s', async (_, edit, message) => expect(await change(edit)).toMatch(message));

  it('leaves single weights outside the matrix to loading, which names them', async () => {
    const { manifest } = await openContainer(bytesDirectory(rich));
    const { branches } = manifest.linears[DOWN]!;
    const { starts, entries } = branches!.find((branch) => branch.kind === 'sparse')!;
    const damaged = async (at: number, value: number): Promise<unknown> => {
      const bytes = rich['00.bin']!.slice();
      new DataView(bytes.buffer).setUint32(at, value, true);
      return createDecoder(imageOf(manifest, bytes), openReference, { context: 8, kv: KV32 });
    };
    await expect(damaged(entries.offset, 192)).rejects.toMatchObject({ code: 'invalid_file', message: 'Cannot use the single weights of layers.0.mlp.down: entry 0 is in channel 192, needed is one below 192' });
    await expect(damaged(starts.offset, 1)).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringContaining('row 0 starts at entry 1') });
    await expect(damaged(starts.offset + 4, 0xffff)).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringContaining('row 1 starts at entry 65535') });
  });
});

describe('openContainer() on damaged containers', () => {
  const lies: [string, (json: Json) => void, RegExp][] = [
    ['a newer version', (j) => { j.version = 4; }, /^unsupported_version: .*its version is 4, this library reads up to 3$/],
    ['another format', (j) => { j.format = 'other'; }, /^invalid_file: .*format is "other"/],
    ['an unknown field', (j) => { j.linears.output.extra = 1; }, /^invalid_file: .*linears.output.extra is no known field/],
    ['weights without kernels', (j) => { j.linears.output.segments[0].weight.bits = 5; }, /^invalid_file: .*weight.bits is 5/],
    ['a block without kernels', (j) => { j.linears.output.segments[0].act.block = 16; }, /^invalid_file: .*act.block is 16/],
    ['activation blocks that cut weight blocks', (j) => { j.linears.output.segments[0].weight.block = 128; }, /output has an activation block of 64, needed is a multiple of the weight block, 128, in channels 0 to 96$/],
    ['an unknown architecture', (j) => { j.config.arch = 'gpt2'; }, /config.arch is "gpt2"/],
    ['heads that do not divide', (j) => { j.config.kvHeads = 3; }, /config.heads is 4 over 3/],
    ['a KV format without kernels', (j) => { j.kv = { bits: 4, keyGroup: 48, valueGroup: 32, firstPage: 8 }; }, /kv.keyGroup is 48/],
    ['an absurd size', (j) => { j.config.hidden = 1e15; }, /config.hidden is 1000000000000000, needed is <=1048576/],
    ['sizes that the arrays do not have', (j) => { j.config.ffn = 4096; }, /gate_up has shape/],
    ['a missing linear', (j) => { delete j.linears.output; }, /linear output is missing/],
    ['a missing vector', (j) => { delete j.vectors.norm; }, /vector norm is missing/],
    ['a linear too many', (j) => { j.linears.extra = j.linears.output; }, /linear "extra" is not part of the model/],
    ['an unaligned array', (j) => { j.vectors.norm.offset += 4; }, /vectors.norm.offset/],
    ['an array outside', (j) => { j.vectors.norm.offset += 1 << 30; }, /norm lies at \d+ in an image of \d+ bytes/],
    ['overlapping arrays', (j) => { j.vectors.norm.offset = j.vectors['layers.0.attn.norm'].offset; }, /lies at 0 where the array before ends at 384/],
    ['a wrong array size', (j) => { j.linears.output.segments[0].data.bytes -= 64; }, /output from channel 0 has \d+ bytes, needed are/],
    ['a gap in the channels', (j) => { j.linears['layers.0.mlp.down'].segments[1].k[0] += 16; }, /has a segment of channels/],
    ['missing channels', (j) => { j.linears['layers.0.mlp.down'].segments.pop(); }, /covers \d+ of 200 channels/],
    ['row scales for f16 scales', (j) => { j.linears.output.segments[0].weight.scale = 'f16'; }, /row scales/],
    ['a permuted output layer', (j) => { j.linears.output.permute = j.linears['layers.0.attn.o'].permute; }, /cannot be gathered/],
    ['a wrong image size', (j) => { j.bytes += 64; }, /the image has \d+ bytes/],
    ['a shard too long', (j) => { j.shards[0].bytes = 25 * 1024 * 1024; }, /shards.0.bytes/],
    ['a shard too many', (j) => { j.shards.push(j.shards[0]); }, /shard 0 has \d+ bytes, needed are 25165824/],
    ['no shards', (j) => { j.shards = []; }, /its shards hold 0 bytes/],
    ['a start token outside the vocabulary', (j) => { j.tokenizer.bos = 260; }, /tokenizer.bos is 260 in a vocabulary of 260/],
  ];
  for (const [what, change, expected] of lies) {
    it(`names ${what}`, async () => {
      expect(await outcome(withJson(change))).toMatch(expected);
    });
  }

  it('accepts what was written', async () => {
    expect(await outcome(files)).toBe('ok');
  });

  it('names the shard whose bytes changed, whichever bit it is', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(files['00.bin']!.length * 8 - 1), async (bit) => {
      const shard = files['00.bin']!.slice();
      shard[bit >> 3]! ^= 1 << (bit & 7);
      expect(await outcome({ ...files, '00.bin': shard })).toMatch(/^digest_mismatch: Cannot read memory\/00.bin: /);
    }), { numRuns: 40, seed: 1 });
  });

  it('refuses a truncated, a longer and a missing shard, and a missing manifest', async () => {
    const shard = files['00.bin']!;
    expect(await outcome({ ...files, '00.bin': shard.slice(0, -1) })).toMatch(/^invalid_file: Cannot read memory\/00.bin: it has \d+ bytes, needed are \d+$/);
    expect(await outcome({ ...files, '00.bin': new Uint8Array([...shard, 0]) })).toMatch(/^invalid_file/);
    expect(await outcome({ 'model.json': files['model.json']! })).toMatch(/^not_found/);
    expect(await outcome({ '00.bin': shard })).toMatch(/^not_found/);
  });

  it('refuses a permutation that repeats or leaves the range, although its digest is right', async () => {
    for (const value of [0, 96, -1]) {
      const shard = files['00.bin']!.slice();
      const { offset } = JSON.parse(text).linears['layers.0.attn.o'].permute;
      new DataView(shard.buffer).setInt32(offset, value, true);
      new DataView(shard.buffer).setInt32(offset + 4, 0, true);
      const digest = await crypto.subtle.digest('SHA-256', shard);
      const changed = withJson((j) => { j.shards[0].sha256 = Buffer.from(digest).toString('hex'); });
      expect(await outcome({ ...changed, '00.bin': shard })).toMatch(/^invalid_file: .*the permutation of layers.0.attn.o is none$/);
    }
  });

  it('ends in a TetradError or in a model for any text cut or overwritten in model.json', async () => {
    const bytes = files['model.json']!;
    await fc.assert(fc.asyncProperty(fc.nat(bytes.length), fc.uint8Array({ maxLength: 12 }), fc.boolean(), async (at, patch, cut) => {
      const changed = bytes.slice(0, cut ? at : undefined);
      changed.set(patch.subarray(0, Math.max(0, changed.length - at)), Math.min(at, changed.length));
      await outcome({ ...files, 'model.json': changed });
    }), { numRuns: 200, seed: 2 });
  });

  it('ends in a TetradError or in a model for any value anywhere in model.json', async () => {
    const paths: (string | number)[][] = [];
    const walk = (value: unknown, path: (string | number)[]): void => {
      if (path.length > 0) paths.push(path);
      if (typeof value !== 'object' || value === null || path[0] === 'tokenizer') return;
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    };
    walk(JSON.parse(text), []);
    const values = fc.oneof(fc.jsonValue(), fc.constantFrom<unknown>(-1, 0, 1, 31, 2 ** 31, 2 ** 53, 1e308, 0.5, '', null, [], {}), fc.integer());
    await fc.assert(fc.asyncProperty(fc.constantFrom(...paths), values, async (path, value) => {
      const changed = withJson((json) => {
        const parent = path.slice(0, -1).reduce((target, key) => target[key], json);
        parent[path.at(-1)!] = value;
      });
      await outcome(changed);
    }), { numRuns: 400, seed: 3 });
  });
});
