import type { ByteDirectory } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import { fetchSource } from './fetch-source.ts';
import type { Network } from './network.ts';
import { askFor } from './remote-file.ts';
import { childUrl, shownUrl } from './source-name.ts';

/** The files below a URL. */
export function fetchDirectory(net: Network, base: string, signal?: AbortSignal): ByteDirectory {
  return {
    name: shownUrl(base),
    open: (path) => fetchSource(net, childUrl(base, path), signal),
    async has(path) {
      try {
        await askFor(net, childUrl(base, path), signal);
        return true;
      } catch (error) {
        if (TetradError.is(error) && error.code === 'not_found') return false;
        throw error;
      }
    },
  };
}
