import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { TetradError } from '../../src/core/errors.ts';
import { fileCache } from '../../src/surfaces/adapters/file-cache.ts';
import type { CacheStore } from '../../src/surfaces/cache/cache.ts';
import { listModels } from '../../src/surfaces/cache/list.ts';
import { pullModel } from '../../src/surfaces/cache/pull.ts';
import type { Network } from '../../src/surfaces/network/network.ts';
import { cached, endings, remote, scratch, sha256 } from '../support/cache.ts';
import { FileServer, faults, type Fault } from '../support/file-server.ts';
import { HubServer } from '../support/hub-server.ts';
import { noise, quickNetwork } from '../support/network.ts';

const SIZE = 90_000;
const RUNS = 25;
/** What may end a pull. */
const KNOWN = ['network_error', 'unauthorized', 'not_found', 'source_changed', 'digest_mismatch', 'storage_full'];

interface Step {
  /** Faults of the requests to come, in order. */
  readonly faults: readonly { readonly fault: Fault; readonly asking: boolean; readonly name: string }[];
  /** The server gets another version before so many requests more, or null. */
  readonly change: number | null;
  readonly abortMs: number | null;
  /** Bytes until the disk is full, or null. */
  readonly room: number | null;
}

const at = fc.integer({ min: 0, max: SIZE });
const harmless: fc.Arbitrary<{ fault: Fault; name: string; asking?: boolean }> = fc.oneof(
  at.map((after) => ({ fault: faults.cut(after), name: `cut ${after}` })),
  at.map((after) => ({ fault: faults.stall(after), name: `stall ${after}` })),
  fc.constantFrom(401, 403, 404, 408, 416, 418, 429, 500, 503).map((status) => ({ fault: faults.status(status), name: `status ${status}` })),
  fc.integer({ min: -5, max: 5 }).map((by) => ({ fault: faults.shifted(by), name: `shifted ${by}` })),
  fc.integer({ min: -5000, max: 5000 }).map((by) => ({ fault: faults.elsewhere(by), name: `elsewhere ${by}` })),
  // Wrong in one way when it is asked for, in another when it is read: a server that tells the same lie twice cannot be found out.
  fc.integer({ min: -5, max: 5 }).map((by) => ({ fault: faults.otherTotal(by), name: `total ${by}`, asking: by > 0 })),
  fc.integer({ min: 1, max: 5 }).map((count) => ({ fault: faults.surplus(count), name: `surplus ${count}` })),
  fc.integer({ min: 1, max: SIZE }).map((bytes) => ({ fault: faults.shorter(bytes), name: `shorter ${bytes}` })),
  fc.constant({ fault: faults.noRanges(), name: 'no ranges' }),
  fc.constant({ fault: faults.gzip(), name: 'gzip' }),
);
const corrupting = at.map((place) => ({ fault: faults.corrupt(place), name: `corrupt ${place}` }));

const stepOf = (fault: typeof harmless): fc.Arbitrary<Step> => fc.record({
  faults: fc.array(fc.record({ fault, asking: fc.boolean() }).map(({ fault: own, asking }) => ({ asking, ...own })), { maxLength: 6 }),
  change: fc.option(fc.integer({ min: 0, max: 5 }), { freq: 2 }),
  abortMs: fc.option(fc.integer({ min: 0, max: 40 }), { freq: 1 }),
  room: fc.option(fc.integer({ min: 0, max: 3 * SIZE }), { freq: 1 }),
});

/** A store on a disk with so much room. */
function narrow(store: CacheStore, room: number): CacheStore {
  let left = room;
  const take = (bytes: number): void => {
    if ((left -= bytes) < 0) throw new TetradError('storage_full', 'Cannot write: the disk is full');
  };
  return {
    ...store,
    async begin(...args) {
      const part = await store.begin(...args);
      return part && {
        get length() {
          return part.length;
        },
        append: async (chunk) => (take(chunk.length), part.append(chunk)),
        digest: (signal) => part.digest(signal),
        commit: async (digest, key) => (take(100), part.commit(digest, key)),
        keep: () => part.keep(),
        discard: () => part.discard(),
      };
    },
  };
}

let server: FileServer;
let hub: HubServer;
let folder: string;
beforeAll(async () => {
  server = await FileServer.start();
  hub = await HubServer.start();
});
afterAll(() => {
  server.close();
  hub.close();
});

/** Pulls through a step; whatever comes of it, what the cache has must be right. */
async function walk(step: Step, net: Network, name: string, target: FileServer, change: () => void): Promise<void> {
  target.calm();
  for (const { fault, asking } of step.faults) target.plan(fault, { asking });
  let requests = 0;
  if (step.change !== null) {
    target.before(() => {
      if (requests++ === step.change) change();
    });
  }
  const store = step.room === null ? fileCache(folder) : narrow(fileCache(folder), step.room);
  const signal = step.abortMs === null ? undefined : AbortSignal.timeout(step.abortMs);
  try {
    await pullModel(net, store, remote(name), { signal });
  } catch (error) {
    const expected = signal?.aborted ? (error as Error).name === 'TimeoutError' || TetradError.is(error) : TetradError.is(error) && KNOWN.includes(error.code);
    if (!expected) throw error;
  }
}

describe('whatever happens, the cache has the right bytes or none', () => {
  const quick = (stallMs = 30): Network => quickNetwork({ stallMs, tries: 2, hub: { endpoint: hub.endpoint, token: undefined } });
  const patient = (): Network => quick(20_000);

  it.each([['a strong etag', (version: number) => `"v${version}"`], ['a weak etag', (version: number) => `W/"v${version}"`]] as const)('of a file behind a URL with %s', { timeout: 120_000 }, async (_, etagOf) => {
    await fc.assert(fc.asyncProperty(fc.array(stepOf(harmless), { minLength: 1, maxLength: 5 }), async (steps) => {
      folder = scratch();
      let version = 0;
      const right = new Set<string>();
      const change = (): void => {
        const bytes = noise(SIZE + (version % 3), ++version);
        right.add(sha256(bytes));
        server.files.set('/a.gguf', { bytes, etag: etagOf(version) });
      };
      change();
      const name = `${server.origin}/a.gguf`;
      const check = async (): Promise<void> => {
        for (const { files } of await listModels(fileCache(folder))) {
          for (const { key } of files) {
            const bytes = await cached(fileCache(folder), key);
            if (bytes) expect(right).toContain(sha256(bytes));
          }
        }
      };
      for (const step of steps) {
        await walk(step, quick(), name, server, change);
        await check();
      }
      server.calm();
      const { files } = await pullModel(patient(), fileCache(folder), remote(name));
      expect(sha256((await cached(fileCache(folder), files[0]!.key))!)).toBe(sha256(server.files.get('/a.gguf')!.bytes));
      expect(endings(folder)).toEqual(['data', 'json']);
      rmSync(folder, { recursive: true });
    }), { numRuns: RUNS, endOnFailure: true });
  });

  it('of the files of a repository, corrupted ones too, and they are all of one commit', { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(fc.array(stepOf(fc.oneof(harmless, corrupting)), { minLength: 1, maxLength: 5 }), async (steps) => {
      folder = scratch();
      let version = 0;
      const commits: Record<string, string>[] = [];
      const change = (): void => {
        version++;
        const files = { 'config.json': noise(200, version), 'model-00001-of-00002.safetensors': noise(SIZE, version), 'model-00002-of-00002.safetensors': noise(SIZE / 2, 3) };
        commits.push(Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, sha256(bytes)])));
        hub.put('o/r', files, { commit: String(version).padStart(40, '0') });
      };
      change();
      const check = async (): Promise<void> => {
        for (const { files } of await listModels(fileCache(folder))) {
          const found: [string, string][] = [];
          for (const { path, key } of files) {
            const bytes = await cached(fileCache(folder), key);
            if (bytes) found.push([path, sha256(bytes)]);
          }
          expect(commits.some((commit) => found.every(([path, digest]) => commit[path] === digest))).toBe(true);
        }
      };
      for (const step of steps) {
        await walk(step, quick(), 'hf:o/r', hub.storage, change);
        await check();
      }
      hub.calm();
      const { files } = await pullModel(patient(), fileCache(folder), remote('hf:o/r'));
      expect(Object.fromEntries(files.map(({ path, sha256: digest }) => [path, digest]))).toEqual(commits.at(-1));
      await check();
      expect(endings(folder).filter((ending) => ending.startsWith('part'))).toEqual([]);
      rmSync(folder, { recursive: true });
    }), { numRuns: RUNS, endOnFailure: true });
  });
});
