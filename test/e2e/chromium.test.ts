import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { findChromium, inChromium } from '../../bench/browser/chromium.ts';
import { openLocal } from '../../src/surfaces/adapters/local-models.ts';
import { EMBEDDED, opener } from '../../src/surfaces/adapters/node.ts';
import { decoderOf } from '../../src/surfaces/loader.ts';

const TOKENS = 40;
const chromium = findChromium();
if (chromium === null) process.stdout.write('Chromium is not tested: there is none on the PATH, and CHROMIUM names none\n');

describe.skipIf(chromium === null)('the embedded model in Chromium', { timeout: 60_000 }, () => {
  let want = '';
  beforeAll(async () => {
    execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/bootstrap.mjs', import.meta.url)), 'build'], { stdio: 'ignore' }); // pages load dist/
    const open = await opener();
    const decoder = await decoderOf(await openLocal(EMBEDDED, { open }), { open, context: 128 });
    const logits = decoder.forward(Array.from({ length: TOKENS }, (_, i) => (i * 7919 + 13) % 49152));
    want = createHash('sha256').update(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength)).digest('hex');
  });

  it.each(['worker', 'page'])('gives the logits of Node on 2 threads, led from a %s', async (where) => {
    expect(await inChromium({ digest: TOKENS, threads: 2, where })).toMatchObject({ digest: want, threads: 2 });
  });
});
