import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inChromium } from '../../bench/browser/chromium.ts';
import { EMBEDDED } from '../../src/surfaces/adapters/node.ts';
import { havingBrowser } from '../runtimes/having.ts';


const { bytes } = JSON.parse(readFileSync(join(EMBEDDED, 'model.json'), 'utf8')) as { bytes: number };
const files = ['00.bin', '01.bin', '02.bin', '03.bin', 'model.json'];

describe.skipIf(!havingBrowser('chromium'))('webCache() in Chromium', { timeout: 180_000 }, () => {
  it('keeps the embedded model through aborts, two at once, damage, quota and lesser places', async () => {
    const found: unknown = await inChromium({ script: '/test/e2e/browser/cache.js' });
    expect(found).toMatchObject({
      kind: 'files', aborted: 'enough', bytes, later: 0, both: files, bytesOfBoth: bytes, damaged: 'digest_mismatch', mended: [1, bytes], left: [],
      spilled: [bytes, 1], anew: 1, missing: 'offline', responses: ['responses', bytes], responsesLeft: 0, memory: ['memory', bytes],
      note: 'The model is kept in memory only, and loaded again the next time: this browser gives no storage here',
    });
    expect((found as { resumed: number }).resumed).toBeGreaterThan(0);
  });
});
