import type { ByteDirectory, ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import type { CopyOptions } from '../../models/image.ts';
import { cachedDirectory, cachedModel } from '../cache/open.ts';
import { fetchDirectory } from '../network/fetch-directory.ts';
import { fetchSource } from '../network/fetch-source.ts';
import { network } from '../network/network.ts';
import { readAhead } from '../network/read-ahead.ts';
import { findModel } from '../network/remote-model.ts';
import { isRemote, parseSourceName, type RemoteName } from '../network/source-name.ts';
import { webCache } from './web-cache.ts';

/** How models come to a page. */
export interface WebSourceOptions {
  /** false: read straight into memory, with nothing left behind. Default: downloaded into the browser's storage once, and opened from there. */
  readonly cache?: boolean | undefined;
  /** Only what is stored; what is missing there is the error `offline`. */
  readonly offline?: boolean | undefined;
  readonly onNote?: ((note: string) => void) | undefined;
}

/** What an address means on this page: it may be relative. Throws `invalid_argument`. */
export function webName(source: string | URL): RemoteName {
  const text = String(source);
  const name = parseSourceName(/^hf:/i.test(text) ? text : new URL(text, globalThis.location.href).href);
  if (isRemote(name)) return name;
  throw new TetradError('invalid_argument', `Cannot open the model ${text} in a browser: needed is an https: address or hf:OWNER/REPO`);
}

/** Another host need not let `If-Range` through. */
export const webNetwork = network({ ifRange: false });

/** The files of a container, or the file of a GGUF, by an address or a name of the hub. */
export async function openWebSource(source: string | URL, options: WebSourceOptions & CopyOptions): Promise<ByteDirectory | ByteSource> {
  const { cache = true, signal, onNote } = options;
  const name = webName(source);
  if (cache) {
    const store = await webCache(onNote);
    const model = await cachedModel(webNetwork, store, name, options);
    const dir = cachedDirectory(store, model);
    if (model.kind !== 'safetensors') return model.kind === 'container' ? dir : dir.open(model.files[0]!.path);
  } else {
    const { kind, base, files } = await findModel(webNetwork, name, signal);
    if (kind !== 'safetensors') return kind === 'container' ? fetchDirectory(webNetwork, base, signal) : readAhead(await fetchSource(webNetwork, files[0]!.url, signal));
  }
  throw new TetradError('unsupported_type', `Cannot open the model ${String(source)} in a browser: it is safetensors, needed is a container or a .gguf file`);
}
