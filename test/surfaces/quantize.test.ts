import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { OnProgress } from '../../src/core/bytes.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { quantize, type QuantizeOptions } from '../../src/surfaces/adapters/quantize.ts';
import { writeCheckpoint } from '../support/checkpoint.ts';
import { stripsTypes } from '../support/node.ts';
import { CALIBRATION, EVEN_SIZES } from '../support/pack.ts';
import { tinyStore } from '../support/tiny-model.ts';

/** Writes that the disk still has room for. */
const disk = vi.hoisted(() => ({ room: Infinity }));
vi.mock(import('node:fs/promises'), async (original) => {
  const real = await original();
  const take = (): void => {
    if (disk.room-- <= 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  return {
    ...real,
    async open(path, flags, mode) {
      const handle = await real.open(path, flags, mode);
      const write = handle.write.bind(handle) as (bytes: Uint8Array, offset: number) => ReturnType<typeof handle.write>;
      return flags === 'wx' ? Object.assign(handle, { write: async (bytes: Uint8Array, offset: number) => (take(), write(bytes, offset)) }) : handle;
    },
    writeFile: async (...args: Parameters<typeof real.writeFile>) => (take(), real.writeFile(...args)),
  };
});

let root: string;
let source: string;
const place = (name: string): string => join(root, name);
const config = { ...EVEN_SIZES, layers: 3 };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tetrad-quantize-'));
  source = place('source');
  await writeCheckpoint(source, tinyStore({ config }));
});
afterEach(() => void (disk.room = Infinity));
afterAll(() => rm(root, { recursive: true, force: true }));

const run = (out: string, options: QuantizeOptions = {}, from = source) => quantize(from, place(out), { recipe: 'house', threads: 1, ...CALIBRATION, ...options });

/** All files of a container. */
async function filesOf(out: string): Promise<Record<string, string>> {
  const names = (await readdir(place(out))).toSorted();
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await readFile(join(place(out), name))).toString('base64')] as const)));
}

/** What lies beside the sources under a name. */
const left = async (out: string): Promise<string[]> => (await readdir(root)).filter((name) => name.startsWith(out)).toSorted();

/** Aborts when layer 1 has been packed. Layers follow the table-less start of a tied model. */
function abortAfterLayer1(): QuantizeOptions {
  const controller = new AbortController();
  let packed = 0;
  const onProgress: OnProgress = ({ stage }) => {
    if (stage === 'quantise' && ++packed === 2) controller.abort();
  };
  return { signal: controller.signal, onProgress };
}

/** A checkpoint whose tensor `name` is changed, value by value. */
async function changed(folder: string, change: (value: number, name: string, index: number) => number): Promise<string> {
  const store = tinyStore({ config });
  const tensor: WeightStore['tensor'] = (name) => {
    const found = store.tensor(name);
    return { ...found, read: async (from, to) => (await found.read(from, to)).map((value, i) => change(value, name, i)) };
  };
  await writeCheckpoint(place(folder), { ...store, tensor });
  return place(folder);
}

describe.skipIf(!stripsTypes)('quantize() that is interrupted', () => {
  it('after a layer goes on there, with the bytes of a run that was not, and removes its unfinished work', async () => {
    await run('whole');
    await expect(run('stopped', abortAfterLayer1())).rejects.toThrow(/abort/i);
    expect(await left('stopped')).toEqual(['stopped.work']);
    expect((await readdir(place('stopped.work'))).map((name) => name.replace(/^[0-9a-f]{32}-/, '')).toSorted()).toEqual(['layer-0', 'layer-1', 'states']);
    const calibrated: number[] = [];
    const onProgress: OnProgress = ({ stage, loaded, total }) => void (stage === 'calibrate' && calibrated.push(loaded / total));
    await run('stopped', { onProgress });
    expect(Math.min(...calibrated)).toBeGreaterThan(2 / 3); // of three layers, two are there
    expect(await left('stopped')).toEqual(['stopped']);
    expect(await filesOf('stopped')).toEqual(await filesOf('whole'));
  });

  it('does not take the work of another recipe, text or model over', async () => {
    await expect(run('other', abortAfterLayer1())).rejects.toThrow(/abort/i);
    await run('other', { set: ['rounding.damping=0.02'] });
    await run('fresh', { set: ['rounding.damping=0.02'] });
    expect(await filesOf('other')).toEqual(await filesOf('fresh'));
    expect(await filesOf('other')).not.toEqual(await filesOf('whole'));
  });

  it('after damage to its unfinished work does that again', async () => {
    await expect(run('damaged', abortAfterLayer1())).rejects.toThrow(/abort/i);
    for (const name of await readdir(place('damaged.work'))) {
      const path = join(place('damaged.work'), name);
      const bytes = await readFile(path);
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(path, bytes);
    }
    await run('damaged');
    expect(await filesOf('damaged')).toEqual(await filesOf('whole'));
  });
});

describe.skipIf(!stripsTypes)('quantize() on a full disk', () => {
  it.each([['before the first layer is kept', 0], ['before the second one is', 2], ['before the manifest', 6]])('%s leaves no container and says why', async (_, room) => {
    disk.room = room;
    await expect(run('full')).rejects.toMatchObject({ code: 'io_error', message: expect.stringMatching(/^Cannot (keep unfinished work in|write) .*full.*: the system says ENOSPC$/) });
    disk.room = Infinity;
    const rest = await left('full');
    expect(rest.filter((name) => name !== 'full.work')).toEqual([]);
    if (rest.length > 0) expect((await readdir(place('full.work'))).filter((name) => name.includes('partial'))).toEqual([]);
    await run('full');
    expect(await filesOf('full')).toEqual(await filesOf('whole'));
    await rm(place('full'), { recursive: true });
  });
});

describe.skipIf(!stripsTypes)('quantize() refuses', () => {
  it.each([
    ['an empty text', ' \n', /^Cannot calibrate with the calibration text: it is empty, needed is text in UTF-8$/],
    ['a text with NUL characters', 'GGUF\0\0\0\0', /it has NUL characters/],
    ['bytes that are no text', '\ufffd'.repeat(20) + 'text'.repeat(30), /20 of its 140 characters are no text/],
    ['a text that is too short', 'Too short.', /^Cannot calibrate: the text has 10 tokens, needed are at least 192$/],
  ])('%s', async (_, calibration, message) => {
    await expect(run('bad', { calibration })).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(message) });
    expect(await left('bad')).toEqual([]);
  });

  it.each([
    ['layers.1.mlp.up', 'house'], ['layers.2.attn.k', 'smoothquant'], ['layers.1.attn.norm', 'w4a8'], ['norm', 'zeroquant'], ['layers.0.mlp.norm', 'svdquant'],
  ])('NaN in %s, by name, with recipe %s', async (tensor, recipe) => {
    const from = await changed(`nan-${tensor}`, (value, name, i) => (name === tensor && i === 7 ? NaN : value));
    const message = `Cannot quantise ${JSON.stringify(tensor)}: it holds values that are not finite, needed are finite weights`;
    await expect(run('nan', { recipe }, from)).rejects.toMatchObject({ code: 'invalid_file', message });
    expect(await left('nan')).not.toContain('nan');
  });

  it.each([['smoothquant', 'layers.1.mlp.down'], ['gptq', 'layers.1.mlp.down']])('activations that overflow, naming the linear, with recipe %s', async (recipe, linear) => {
    const from = await changed(`huge-${recipe}`, (value, name) => (/layers\.1\.mlp\.(gate|up)/.test(name) ? value * 1e25 : value));
    await expect(run('huge', { recipe }, from)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(`^Cannot calibrate: .*${linear}.* not finite`) });
  });
});

describe.skipIf(!stripsTypes)('quantize() on threads', () => {
  it('gives the bytes of one', async () => {
    await run('two', { threads: 2 });
    expect(await filesOf('two')).toEqual(await filesOf('whole'));
  });
});
