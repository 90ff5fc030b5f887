import { fileURLToPath } from 'node:url';
import { openContainer } from '../../container/read.ts';
import type { ByteDirectory, ByteSource } from '../../core/bytes.ts';
import { TetradError, type ErrorCode } from '../../core/errors.ts';
import { openGguf, openSafetensors } from '../../importers/open.ts';
import type { CopyOptions, ModelImage, Piece } from '../../models/image.ts';
import { findCached, type CachedModel } from '../cache/list.ts';
import { cachedDirectory, cachedModel, mendModel } from '../cache/open.ts';
import { fetchDirectory } from '../network/fetch-directory.ts';
import { fetchSource } from '../network/fetch-source.ts';
import type { ModelKind } from '../network/hub.ts';
import { HUB, network, type Network } from '../network/network.ts';
import { readAhead } from '../network/read-ahead.ts';
import { findModel } from '../network/remote-model.ts';
import { isRemote, parseSourceName, remoteText, type RemoteName } from '../network/source-name.ts';
import { cacheFolder, fileCache } from './file-cache.ts';
import { identify, openHeaders, openLocal, packedImage, type Headers, type OpenOptions } from './local-models.ts';

/** How models that are not on this machine are come by. */
export interface SourceOptions {
  /** false: read straight into memory, with nothing left behind. Default: downloaded into the cache once, and opened from there. */
  readonly cache?: boolean | undefined;
  /** Only what is in the cache; what is missing there is the error `offline`. */
  readonly offline?: boolean | undefined;
}

/** The hub, by `HF_ENDPOINT` and `HF_TOKEN`, and the platform's `fetch` with its proxies. Throws `invalid_argument`. */
export function systemNetwork(): Network {
  const endpoint = process.env['HF_ENDPOINT'] || HUB.endpoint;
  if (!/^https?:/.test(endpoint) || !URL.canParse(endpoint)) throw new TetradError('invalid_argument', `Cannot use HF_ENDPOINT: it is ${JSON.stringify(endpoint)}, needed is https://HOST`);
  return network({ hub: { endpoint, token: process.env['HF_TOKEN'] || undefined } });
}

/** The cache that `TETRAD_CACHE` and `XDG_CACHE_HOME` name. */
export const systemCache = (): ReturnType<typeof fileCache> => fileCache(cacheFolder(process.env));

/** A path, or a name of something elsewhere. */
function locate(source: string | URL): { readonly path: string } | { readonly remote: RemoteName } {
  const name = parseSourceName(source instanceof URL ? source.href : source);
  if (isRemote(name)) return { remote: name };
  return { path: name.kind === 'file' ? fileURLToPath(name.url) : name.path };
}

/** Where the files of a remote model are read from. */
interface Place {
  readonly kind: ModelKind;
  readonly dir: ByteDirectory;
  /** The only file of a `.gguf`. */
  readonly file: () => Promise<ByteSource>;
}

function placeInCache(model: CachedModel): Place {
  const dir = cachedDirectory(systemCache(), model);
  return { kind: model.kind, dir, file: () => dir.open(model.files[0]!.path) };
}

async function placeElsewhere(name: RemoteName, signal?: AbortSignal): Promise<Place> {
  const net = systemNetwork();
  const { kind, base, files } = await findModel(net, name, signal);
  const ahead = async (source: Promise<ByteSource>): Promise<ByteSource> => readAhead(await source);
  const plain = fetchDirectory(net, base, signal);
  const dir = kind === 'container' ? plain : { ...plain, open: (path: string) => ahead(plain.open(path)) };
  return { kind, dir, file: () => ahead(fetchSource(net, files[0]!.url, signal)) };
}

const headersAt = async ({ kind, dir, file }: Place, signal?: AbortSignal): Promise<Headers> => {
  if (kind === 'container') return { image: await openContainer(dir, signal) };
  return { store: kind === 'gguf' ? await openGguf(await file(), signal) : await openSafetensors(dir, signal) };
};

/** What a piece fails with where the cache is damaged. */
const DAMAGE: readonly ErrorCode[] = ['digest_mismatch', 'invalid_file', 'not_found'];

/** An image whose pieces are downloaded again where the cache is damaged. */
function mended(image: ModelImage, model: CachedModel): ModelImage {
  const fill = async (piece: Piece, target: Uint8Array, signal?: AbortSignal): Promise<void> => {
    try {
      await piece.fill(target, signal);
    } catch (error) {
      if (!TetradError.is(error) || !DAMAGE.includes(error.code)) throw error;
      await mendModel(systemNetwork(), systemCache(), model, signal);
      await piece.fill(target, signal);
    }
  };
  return {
    ...image,
    async *pieces() {
      for await (const piece of image.pieces()) yield { ...piece, fill: (target, signal) => fill(piece, target, signal) };
    },
  };
}

/** A packed model from any name of a source: a path, a `file:` or `https:` URL, `hf:OWNER/REPO`. */
export async function openSource(source: string | URL, options: OpenOptions & SourceOptions): Promise<ModelImage> {
  const { cache = true, offline, signal } = options;
  const place = locate(source);
  if ('path' in place) return openLocal(place.path, options);
  if (!cache) {
    if (offline) throw new TetradError('invalid_argument', 'Cannot open a model offline without the cache: needed is one or the other');
    return packedImage(await headersAt(await placeElsewhere(place.remote, signal), signal), options);
  }
  const model = await cachedModel(systemNetwork(), systemCache(), place.remote, options);
  const headers = await headersAt(placeInCache(model), signal);
  return 'image' in headers && !offline ? mended(headers.image, model) : packedImage(headers, options);
}

/** A model's headers from any name of a source. Of a remote model that is not in the cache only they are fetched. */
export async function openSourceHeaders(source: string, { signal, offline }: SourceOptions & CopyOptions): Promise<Headers> {
  const place = locate(source);
  if ('path' in place) return openHeaders(place.path, signal);
  const known = await findCached(systemCache(), remoteText(place.remote));
  if (offline || (known && known.files.length > 0)) return headersAt(placeInCache(await cachedModel(systemNetwork(), systemCache(), place.remote, { signal, offline })), signal);
  return headersAt(await placeElsewhere(place.remote, signal), signal);
}

/** The path that a source is; null for a remote one. Throws `invalid_argument`. */
export function localPath(source: string): string | null {
  const place = locate(source);
  return 'path' in place ? place.path : null;
}

/** A remote model in the cache, downloaded if it is not there. Throws `invalid_argument` for a path. */
export async function fetchModel(source: string, options: SourceOptions & CopyOptions): Promise<CachedModel> {
  return cachedModel(systemNetwork(), systemCache(), remoteName(source), options);
}

/** The remote model that a name means. Throws `invalid_argument` for a path. */
export function remoteName(source: string): RemoteName {
  const place = locate(source);
  if ('remote' in place) return place.remote;
  throw new TetradError('invalid_argument', `Cannot find ${source} in the network: it is a path, needed is https://HOST/PATH or hf:OWNER/REPO`);
}

/** What a source is; a remote one is brought into the cache. */
export async function kindOf(source: string): Promise<ModelKind> {
  const local = localPath(source);
  return local === null ? (await fetchModel(source, {})).kind : (await identify(local)).kind;
}
