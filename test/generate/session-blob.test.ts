import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TetradError } from '../../src/core/errors.ts';
import { Model } from '../../src/generate/model.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { byteTokenizer, FakeModel } from './fake-model.ts';

const config = { arch: 'llama', name: 'fake' } as ModelConfig;

function modelOf(fake: FakeModel): Model {
  let clock = 0;
  return new Model({ tokens: fake, tokenizer: byteTokenizer({ eos: [] }), config, kernels: 'scalar', threads: 1, estimate: null, now: () => clock++ });
}

const model = modelOf(new FakeModel(10, 100));
const session = model.session({ seed: 1 });
await session.generate([1, 2, 3], { maxTokens: 9 }).result;
const blob = await session.save();

async function failure(bytes: Uint8Array, to: Model = model): Promise<string> {
  try {
    await to.restore(bytes);
  } catch (error) {
    return TetradError.is(error) ? error.code : `not ours: ${String(error)}`;
  }
  return 'none';
}

/** The same with its digest made right. */
function sealed(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - 32;
  const out = bytes.slice();
  out.set(createHash('sha256').update(bytes.subarray(0, end)).digest(), end);
  return out;
}

const headOf = (bytes: Uint8Array): { text: string; rest: Uint8Array } => {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
  return { text: new TextDecoder().decode(bytes.subarray(16, 16 + length)), rest: bytes.subarray(16 + length) };
};

/** A blob with another head. */
function withHead(text: string): Uint8Array {
  const head = new TextEncoder().encode(text);
  const { rest } = headOf(blob);
  const out = new Uint8Array(16 + head.length + rest.length);
  out.set(blob.subarray(0, 16));
  new DataView(out.buffer).setUint32(12, head.length, true);
  out.set(head, 16);
  out.set(rest, 16 + head.length);
  return sealed(out);
}

const changed = (changes: Record<string, unknown>): Uint8Array => withHead(JSON.stringify({ ...(JSON.parse(headOf(blob).text) as object), ...changes }));

const REFUSALS = ['invalid_file', 'digest_mismatch', 'unsupported_version', 'session_mismatch', 'context_overflow'];

describe('Model.restore()', () => {
  test('takes what save() gave, also from the middle of a larger buffer', async () => {
    expect(await failure(blob)).toBe('none');
    const larger = new Uint8Array(blob.length + 7);
    larger.set(blob, 3);
    expect(await failure(larger.subarray(3, 3 + blob.length))).toBe('none');
    expect(await failure(sealed(blob))).toBe('none');
  });

  test('refuses a blob with any bit flipped, any end cut off or anything behind it', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(blob.length * 8 - 1), async (bit) => {
      const bytes = blob.slice();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(REFUSALS).toContain(await failure(bytes));
    }), { numRuns: 500 });
    for (let length = 0; length < blob.length; length++) expect(REFUSALS).toContain(await failure(blob.subarray(0, length)));
    expect(await failure(Uint8Array.of(...blob, 0))).toBe('digest_mismatch');
  });

  test('refuses anything else under a right digest, or takes it for a session that can go on', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.nat(blob.length - 33), fc.uint8Array({ minLength: 1, maxLength: 8 })).map(([at, patch]) => {
        const out = blob.slice();
        out.set(patch.subarray(0, blob.length - 32 - at), at);
        return out;
      }),
      fc.tuple(fc.nat(blob.length - 33), fc.nat(200)).map(([at, many]) => Uint8Array.of(...blob.subarray(0, at), ...blob.subarray(Math.min(blob.length - 32, at + many)))),
      fc.tuple(fc.constantFrom('tokens', 'chosen', 'seed', 'random', 'messages', 'kv', 'digest', 'more'), fc.jsonValue()).map(([key, value]) => changed({ [key]: value })),
      fc.json().map(withHead),
    );
    await fc.assert(fc.asyncProperty(bytes, async (one) => {
      const input = one.length >= 32 ? sealed(one) : one;
      let restored;
      try {
        restored = await model.restore(input);
      } catch (error) {
        expect(TetradError.is(error) && REFUSALS.includes(error.code), String(error)).toBe(true);
        return;
      }
      const next = restored.messages.length > 0 ? restored.chat('x', { maxTokens: 2 }) : restored.generate([1], { maxTokens: 2 });
      await next.result.catch((error: unknown) => expect(TetradError.is(error), String(error)).toBe(true));
    }), { numRuns: 1000 });
  });

  test('says what is wrong', async () => {
    const version = blob.slice();
    version[8] = 2;
    expect([await failure(version), await failure(sealed(version))]).toEqual(['unsupported_version', 'unsupported_version']);
    expect(await failure(new Uint8Array(100))).toBe('invalid_file');
    expect(await failure('text' as unknown as Uint8Array)).toBe('invalid_argument');
    expect(await failure(changed({ digest: '0'.repeat(64) }))).toBe('session_mismatch');
    expect(await failure(changed({ kv: { bits: 8 } }))).toBe('session_mismatch');
    expect(await failure(blob, modelOf(new FakeModel(10, 10)))).toBe('context_overflow');
    expect(await failure(blob, modelOf(new FakeModel(10, 11)))).toBe('none');
    expect(await failure(blob, modelOf(new FakeModel(3, 100)))).toBe('invalid_file');
    expect(await failure(changed({ tokens: 2 ** 40 }))).toBe('invalid_file');
    expect(await failure(changed({ tokens: 11 }))).toBe('invalid_file');
    expect(await failure(changed({ chosen: 13 }))).toBe('invalid_file');
    expect(await failure(changed({ random: [0, 0, 0, 0] }))).toBe('invalid_file');
    const long = blob.slice();
    new DataView(long.buffer).setUint32(12, 0xffffffff, true);
    expect(await failure(sealed(long))).toBe('invalid_file');
    await expect(model.restore(changed({ kv: { bits: 8 } }))).rejects.toThrow('Cannot restore the session: its KV cache is {"bits":8}, the model\'s is {"bits":32}');
  });

  test('leaves the model as it was where it refuses', async () => {
    const [own, other] = [modelOf(new FakeModel(10, 100)), modelOf(new FakeModel(10, 100))];
    const given = { maxTokens: 5, seed: 3 };
    await own.generate([4, 5], given).result;
    await other.generate([4, 5], given).result;
    for (const bad of [changed({ tokens: 11 }), changed({ kv: {} }), blob.subarray(1)]) await failure(bad, own);
    expect(await own.generate([4, 5, 6], given).result).toMatchObject({ tokens: (await other.generate([4, 5, 6], given).result).tokens, usage: { cachedTokens: 2 } });
  });
});
