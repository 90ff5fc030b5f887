import { TetradError } from '../../core/errors.ts';
import { fetchSource } from './fetch-source.ts';
import type { Network } from './network.ts';
import { remoteText, type HubName } from './source-name.ts';

/** A file of a repository. */
export interface HubFile {
  readonly path: string;
  readonly size: number | null;
  /** Of files in large file storage. */
  readonly sha256: string | null;
}

export interface HubListing {
  /** The commit that the revision stands for. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

const endpointOf = ({ hub }: Network): string => hub.endpoint.replace(/\/+$/, '');

/** Where the files of a repository lie. */
export const hubFolder = (net: Network, repo: string, commit: string): string => `${endpointOf(net)}/${repo}/resolve/${commit}`;

interface Sibling {
  readonly rfilename?: unknown;
  readonly size?: unknown;
  readonly lfs?: { readonly sha256?: unknown; readonly size?: unknown } | null;
}

function hubFile({ rfilename, size, lfs }: Sibling): HubFile[] {
  if (typeof rfilename !== 'string' || rfilename === '' || rfilename.split('/').includes('..')) return [];
  const digest = typeof lfs?.sha256 === 'string' && /^[0-9a-f]{64}$/.test(lfs.sha256) ? lfs.sha256 : null;
  return [{ path: rfilename, size: typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : null, sha256: digest }];
}

/** The files of a repository at one commit. Rejects with `not_found`, `unauthorized` or `network_error`. */
export async function listRepository(net: Network, name: HubName, signal?: AbortSignal): Promise<HubListing> {
  const url = `${endpointOf(net)}/api/models/${name.repo}/revision/${encodeURIComponent(name.revision)}?blobs=true`;
  const source = await fetchSource(net, url, signal);
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes, signal);
  const refuse = (cause?: unknown): TetradError => new TetradError('network_error', `Cannot read ${source.name}: it is not the list of a repository's files`, { cause });
  let value: { readonly sha?: unknown; readonly siblings?: unknown } | null;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes)) as typeof value;
  } catch (cause) {
    throw refuse(cause);
  }
  if (typeof value?.sha !== 'string' || !/^[0-9a-f]{7,64}$/.test(value.sha) || !Array.isArray(value.siblings)) throw refuse();
  return { commit: value.sha, files: value.siblings.flatMap((sibling: Sibling | null) => hubFile(sibling ?? {})) };
}

export type ModelKind = 'container' | 'gguf' | 'safetensors';

/** Which files of a repository are the model. `folder` is where they lie: '' or a path that ends with `/`. */
export interface Choice {
  readonly kind: ModelKind;
  readonly folder: string;
  readonly files: readonly HubFile[];
}

const isGguf = ({ path }: HubFile): boolean => /\.gguf$/i.test(path);

/** The files of a container in a folder, or null. */
function container(files: readonly HubFile[], folder: string): Choice | null {
  const own = files.filter(({ path }) => path.startsWith(folder) && /^(?:model\.json|\d{2,}\.bin)$/.test(path.slice(folder.length)));
  const paths = own.map(({ path }) => path.slice(folder.length));
  return paths.includes('model.json') && paths.includes('00.bin') ? { kind: 'container', folder, files: own } : null;
}

/** What the importer of safetensors reads. */
function safetensors(files: readonly HubFile[], folder: string): Choice | null {
  const wanted = /^(?:(?:model(?:-\d+-of-\d+)?\.safetensors)|(?:config|tokenizer|tokenizer_config|generation_config|model\.safetensors\.index)\.json|chat_template\.jinja)$/;
  const own = files.filter(({ path }) => path.startsWith(folder) && wanted.test(path.slice(folder.length)));
  return own.some(({ path }) => path.endsWith('.safetensors')) ? { kind: 'safetensors', folder, files: own } : null;
}

/** The file or folder that a name states: whole, or the part of one `.gguf` file's name such as `Q4_K_M`. */
function named(files: readonly HubFile[], file: string): Choice | null {
  const exact = files.find(({ path }) => path === file);
  if (exact && isGguf(exact)) return { kind: 'gguf', folder: '', files: [exact] };
  const folder = `${file.replace(/(?:^|\/)(?:model\.json|config\.json)$|\/$/, '')}/`.replace(/^\/$/, '');
  const within = exact && !file.endsWith('.json') ? null : (container(files, folder) ?? safetensors(files, folder));
  if (within) return within;
  const parts = files.filter((one) => isGguf(one) && one.path.toLowerCase().includes(file.toLowerCase()));
  return parts.length === 1 ? { kind: 'gguf', folder: '', files: parts } : null;
}

const SHOWN = 12;

/** The model in a repository: what the name states, or else a container, the only `.gguf` file, or safetensors. Throws `not_found`. */
export function chooseFiles(name: HubName, files: readonly HubFile[]): Choice {
  const ggufs = files.filter(isGguf);
  const list = `${ggufs.slice(0, SHOWN).map(({ path }) => path).join(', ')}${ggufs.length > SHOWN ? `, and ${ggufs.length - SHOWN} more` : ''}`;
  const text = remoteText(name);
  if (name.file !== null) {
    const choice = named(files, name.file);
    if (choice) return choice;
    const has = ggufs.length > 0 ? `the repository has ${list}` : 'the repository has no .gguf file';
    throw new TetradError('not_found', `Cannot open ${text}: there is no such file, ${has}, needed is the name of one or of a container's folder`);
  }
  const only = ggufs.length === 1 ? ({ kind: 'gguf', folder: '', files: ggufs } as const) : null;
  const choice = container(files, '') ?? only ?? safetensors(files, '');
  if (choice) return choice;
  if (ggufs.length === 0) throw new TetradError('not_found', `Cannot open ${text}: the repository holds no container, no .gguf file and no safetensors`);
  throw new TetradError('not_found', `Cannot open ${text}: the repository has ${ggufs.length} .gguf files, needed is one of them as ${text}:FILE (${list})`);
}
