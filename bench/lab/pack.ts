import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../../src/models/image.ts';
import { activationShare, bitsPerWeight } from '../../src/models/size.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';
import { openHeaders } from '../../src/surfaces/adapters/local-models.ts';
import { quantize } from '../../src/surfaces/adapters/quantize.ts';
import { sharedFile } from '../../test/support/shared.ts';
import type { LabResult } from './result.ts';

/** What stays beside a container about its making. */
type Made = Pick<LabResult, 'digest' | 'build' | 'seconds' | 'timings'>;

/** Beside the container, which may hold nothing else. */
const noteOf = (directory: string): string => `${directory}.made.json`;

function madeBefore(directory: string): Made | null {
  if (!existsSync(noteOf(directory)) || !existsSync(join(directory, 'model.json'))) return null;
  return JSON.parse(readFileSync(noteOf(directory), 'utf8')) as Made;
}

/** What every row is calibrated with that needs it: mixed text. */
export const CALIBRATION = { file: 'data/calibration-mix.txt', sequences: 16 } as const;

function calibrationText(): string {
  const file = sharedFile(CALIBRATION.file);
  if (!file) throw new Error(`Cannot calibrate: there is no ${CALIBRATION.file}, TETRAD_SHARED names the folder that holds it`);
  return readFileSync(file, 'utf8');
}

/** A checkpoint as a container in `directory`, unless the same was made there; with `keep`, by whatever sources. */
export async function pack(source: string, directory: string, recipe: Recipe, { digest, build }: Pick<Made, 'digest' | 'build'>, keep: boolean): Promise<Made> {
  const before = madeBefore(directory);
  if (before?.digest === digest && (keep || before.build === build)) return before;
  rmSync(noteOf(directory), { force: true });
  const start = performance.now();
  let timings: LabResult['timings'] = {};
  await quantize(source, directory, { recipe, calibration: calibrationText(), sequences: CALIBRATION.sequences, onTimings: (found) => (timings = found) });
  const made: Made = { digest, build, seconds: (performance.now() - start) / 1000, timings };
  writeFileSync(noteOf(directory), JSON.stringify(made));
  return made;
}

async function manifestOf(directory: string): Promise<Manifest> {
  const headers = await openHeaders(directory);
  if ('store' in headers) throw new Error(`Cannot measure ${directory}: it is a checkpoint, needed is a container`);
  await headers.image.close();
  return headers.image.manifest;
}

export async function sizeOf(directory: string): Promise<LabResult['size']> {
  const manifest = await manifestOf(directory);
  const sizes = await Promise.all((await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size));
  return {
    bytes: sizes.reduce((sum, size) => sum + size, 0), bits: bitsPerWeight(manifest),
    share4: activationShare(manifest, 4), share8: activationShare(manifest, 8),
  };
}
