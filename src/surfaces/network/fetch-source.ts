import type { ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import type { Network } from './network.ts';
import { askFor, copyRange, type RemoteFile } from './remote-file.ts';
import { failure } from './request.ts';
import { shownUrl } from './source-name.ts';

/** Where a server gives no ranges, reading from a place means to receive all before it. */
const MOST_SKIPPED = 16 * 1024 * 1024;

function sourceOf(net: Network, file: RemoteFile): ByteSource {
  const name = shownUrl(file.url);
  return {
    name,
    size: file.size,
    async read(offset, target, signal) {
      const end = offset + target.length;
      if (end > file.size) throw new TetradError('invalid_file', `Cannot read ${name}: it ends at byte ${file.size}, needed ${end - file.size} more`);
      if (!file.ranges && !file.whole && offset > MOST_SKIPPED) {
        throw failure('network_error', file.url, `its server gives no ranges, so ${offset} bytes would come in vain, needed is a download into the cache`);
      }
      let at = 0;
      await copyRange(net, file, offset, end, (chunk) => {
        target.set(chunk, at);
        at += chunk.length;
      }, signal);
    },
  };
}

/** A file behind a URL; each read is one request, streamed into its target. Rejects with `not_found`, `unauthorized` or `network_error`. */
export async function fetchSource(net: Network, url: string, signal?: AbortSignal): Promise<ByteSource> {
  return sourceOf(net, await askFor(net, url, signal));
}
