import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMBEDDED } from '../../src/surfaces/adapters/local-models.ts';

const script = (name: string): string => fileURLToPath(new URL(`../../scripts/${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tetrad-huge-'));
const folder = join(scratch, 'model');

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script('huge.mjs'), '--folder', folder, '--gib', '0.02', ...args], { encoding: 'utf8' });
}

/** Needs the embedded model's tokenizer. */
describe.skipIf(!existsSync(EMBEDDED))('huge.mjs at a small size', { timeout: 120_000 }, () => {
  beforeAll(() => {
    execFileSync(process.execPath, [script('bootstrap.mjs'), 'build'], { stdio: 'ignore' }); // it runs dist/
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it('gives equal digests in one memory and in several, and removes what it wrote', () => {
    const { status, stdout, stderr } = run('--json', '--memories', 'auto,3');
    expect([status, stderr]).toEqual([0, expect.stringContaining('3 memories: loaded in')]);
    const rows = JSON.parse(stdout) as { memories: number; digest: string; cache: string; finite: boolean }[];
    expect(rows.map(({ memories, finite }) => [memories, finite])).toEqual([[1, true], [3, true]]);
    expect([rows[1]!.digest, rows[1]!.cache]).toEqual([rows[0]!.digest, rows[0]!.cache]);
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('writes the same container from the same seed, keeps it with --keep, and takes one that is there', () => {
    const digest = (...args: string[]): string => (JSON.parse(run('--json', '--memories', '2', ...args).stdout) as { digest: string }[])[0]!.digest;
    const first = digest('--keep');
    expect(existsSync(join(folder, 'model.json'))).toBe(true);
    expect([digest('--seed', '2'), existsSync(folder)]).toEqual([first, true]);
    rmSync(folder, { recursive: true });
    expect([digest(), digest('--seed', '2') === first]).toEqual([first, false]);
  });

  it('exits with an error where digests differ, where a run fails, and where the disk is too small', () => {
    const fake = join(scratch, 'fake');
    writeFileSync(fake, '#!/bin/sh\necho "{\\"digest\\":\\"$3\\",\\"finite\\":true}"\n');
    chmodSync(fake, 0o755);
    expect(run('--exec', fake, '--memories', '1,2')).toMatchObject({ status: 1, stderr: expect.stringContaining('the digests differ') });
    expect(run('--memories', '1000')).toMatchObject({ status: 1, stderr: expect.stringContaining('Cannot use 1000 memories') });
    expect(run('--gib', '1e7')).toMatchObject({ status: 1, stderr: expect.stringMatching(/GiB are free, needed is/) });
    expect(existsSync(folder)).toBe(false);
  });
});
