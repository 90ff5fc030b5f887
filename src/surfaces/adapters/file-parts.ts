import { randomBytes } from 'node:crypto';
import { readdir, rename, stat } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { join } from 'node:path';

/** The name of a part that nobody works on. */
export const partName = (name: string): string => `${name}.part`;

const host = (): string => hostname().replace(/[^\w]/g, '') || 'host'; // asked when it is needed: Deno wants a permission for it

/** A name that says whose file it is: `NAME-HOST-PID-RANDOM`. */
export const ownName = (name: string): string => `${name}-${host()}-${process.pid}-${randomBytes(4).toString('hex')}`;

/** Whoever works on a part writes to it more often than that. */
const LONGEST_PAUSE_MS = 60 * 60_000;

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}

interface Part {
  readonly file: string;
  readonly size: number;
  /** Its last writer ended it in order, or the machine has not been started since: what it holds is what was written. */
  readonly sound: boolean;
}

/** Parts of a file that nobody works on any more. */
export async function freeParts(folder: string, name: string): Promise<Part[]> {
  const parts: Part[] = [];
  for (const file of await readdir(folder).catch(() => [])) {
    if (!file.startsWith(partName(name))) continue;
    const info = await stat(join(folder, file)).catch(() => null);
    if (!info) continue;
    const [, owner, pid] = /\.part-(\w+)-(\d+)-[0-9a-f]+$/.exec(file) ?? [];
    const kept = owner === undefined;
    const left = owner === host() && !isRunning(Number(pid));
    if (!kept && !left && Date.now() - info.mtimeMs < LONGEST_PAUSE_MS) continue;
    parts.push({ file, size: info.size, sound: kept || (left && info.mtimeMs > Date.now() - uptime() * 1000) });
  }
  return parts.sort((a, b) => b.size - a.size);
}

/** Gives the longest part that nobody works on the name `path`; false if there is none. `trusted`: also one that may hold wrong bytes. */
export async function claimPart(folder: string, name: string, path: string, trusted: boolean): Promise<boolean> {
  for (const { file, sound } of await freeParts(folder, name)) {
    if (!sound && !trusted) continue;
    const claimed = await rename(join(folder, file), path).then(() => true, () => false); // another program was faster
    if (claimed) return true;
  }
  return false;
}
