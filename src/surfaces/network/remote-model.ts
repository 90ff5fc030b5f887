import { chooseFiles, hubFolder, listRepository, type ModelKind } from './hub.ts';
import type { Network } from './network.ts';
import { childUrl, remoteText, type RemoteName } from './source-name.ts';

/** A file of a remote model. */
export interface ModelFile {
  /** Within the model. */
  readonly path: string;
  readonly url: string;
  /** What is known before the file is asked for, or null. */
  readonly size: number | null;
  readonly sha256: string | null;
}

export interface RemoteModel {
  readonly name: string;
  readonly kind: ModelKind;
  /** The folder that the files lie in. */
  readonly base: string;
  /** All files; of a container behind a URL only `model.json`, which names the others. */
  readonly files: readonly ModelFile[];
}

const CONTAINER_FILE = 'model.json';

/** What a remote name stands for now. Asks the hub for the files of a repository, and a URL for nothing. */
export async function findModel(net: Network, name: RemoteName, signal?: AbortSignal): Promise<RemoteModel> {
  const text = remoteText(name);
  if (name.kind === 'url') {
    const { url, gguf } = name;
    const unknown = { size: null, sha256: null };
    if (!gguf) return { name: text, kind: 'container', base: url, files: [{ path: CONTAINER_FILE, url: childUrl(url, CONTAINER_FILE), ...unknown }] };
    const path = decodeURIComponent(new URL(url).pathname.split('/').at(-1)!);
    return { name: text, kind: 'gguf', base: new URL('.', url).href, files: [{ path, url, ...unknown }] };
  }
  const { commit, files } = await listRepository(net, name, signal);
  const { kind, folder, files: chosen } = chooseFiles(name, files);
  const base = childUrl(hubFolder(net, name.repo, commit), folder);
  const own = chosen.map(({ path, size, sha256 }) => ({ path: path.slice(folder.length), size, sha256 }));
  return { name: text, kind, base, files: own.map((file) => ({ ...file, url: childUrl(base, file.path) })) };
}
