// The browser's cache in a worker of a real browser. Posts what it found to /result.
import { cachedDirectory, cachedModel } from '../../../dist/surfaces/cache/open.js';
import { listModels, removeModel } from '../../../dist/surfaces/cache/list.js';
import { openContainer } from '../../../dist/container/read.js';
import { pullModel } from '../../../dist/surfaces/cache/pull.js';
import { network } from '../../../dist/surfaces/network/network.js';
import { parseSourceName } from '../../../dist/surfaces/network/source-name.js';
import { webCache } from '../../../dist/surfaces/adapters/web-cache.js';

const name = parseSourceName(`${location.origin}/models/smollm2-135m-instruct`);
const requests = [];
const net = network({
  ifRange: false,
  fetch: (url, init) => {
    requests.push(`${url.split('/').at(-1)} ${init.headers.range ?? ''}`);
    return fetch(url, init);
  },
});
const reads = () => requests.filter((request) => !request.endsWith('bytes=0-0')).map((request) => request.split(' ')[0]);

/** Reads every shard, whose digest is checked. */
async function readAll(store) {
  const image = await openContainer(cachedDirectory(store, await cachedModel(net, store, name, { offline: true })));
  let bytes = 0;
  for await (const piece of image.pieces()) {
    await piece.fill(new Uint8Array(piece.bytes));
    bytes += piece.bytes;
  }
  return bytes;
}

const second = () => new Promise((resolve, reject) => {
  const worker = new Worker(`${location.href}&second=1`, { type: 'module' });
  worker.addEventListener('message', ({ data }) => resolve(data));
  worker.addEventListener('error', ({ message }) => reject(new Error(message)));
});

async function walk() {
  const found = {};
  const notes = [];
  const store = await webCache((note) => notes.push(note));
  found.kind = store.kind;

  const stop = new AbortController();
  const onProgress = ({ loaded }) => loaded > 30e6 && stop.abort(new Error('enough'));
  found.aborted = await pullModel(net, store, name, { signal: stop.signal, onProgress }).then(() => 'no', (error) => error.message);
  let first = null;
  await pullModel(net, store, name, { onProgress: ({ loaded }) => (first ??= loaded) });
  found.resumed = requests.filter((request) => /bytes=[1-9]\d{3,}-/.test(request)).length;
  found.bytes = await readAll(store);

  requests.length = 0;
  await cachedModel(net, store, name);
  found.later = requests.length;

  // two at once bring each file once
  await removeModel(store, name.url);
  requests.length = 0;
  const [other] = await Promise.all([second(), pullModel(net, store, name)]);
  found.both = [...other, ...reads()].sort();
  found.bytesOfBoth = await readAll(store);

  // damage that leaves the size
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('tetrad');
  for await (const [file, handle] of folder.entries()) {
    if (!file.endsWith('.data') || (await handle.getFile()).size < 20e6) continue;
    const stream = await handle.createWritable({ keepExistingData: true });
    await stream.write({ type: 'write', position: 5000, data: new Uint8Array(10) });
    await stream.close();
    break;
  }
  found.damaged = await readAll(store).catch((error) => error.code);
  requests.length = 0;
  await pullModel(net, store, name);
  found.mended = [reads().length, await readAll(store)];

  await removeModel(store, name.url);
  found.left = [];
  for await (const file of folder.keys()) if (file !== 'probe') found.left.push(file);

  // no more room: the browser's own error, thrown by us
  const { write } = FileSystemWritableFileStream.prototype;
  let room = 30e6;
  FileSystemWritableFileStream.prototype.write = function (bytes) {
    if (bytes.length > 1e6 && (room -= bytes.length) < 0) throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
    return write.call(this, bytes);
  };
  await pullModel(net, store, name);
  found.spilled = [await readAll(store), notes.length];
  FileSystemWritableFileStream.prototype.write = write;
  found.anew = (await listModels(await webCache())).length;
  found.missing = await cachedModel(net, await webCache(), name, { offline: true }).catch((error) => error.code);
  await removeModel(store, name.url);

  // other places
  const { getDirectory } = StorageManager.prototype;
  StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('not here', 'SecurityError'));
  const responses = await webCache();
  await pullModel(net, responses, name);
  found.responses = [responses.kind, await readAll(await webCache())];
  await removeModel(responses, name.url);
  found.responsesLeft = (await (await caches.open('tetrad')).keys()).length;
  CacheStorage.prototype.open = () => Promise.reject(new DOMException('not here', 'SecurityError'));
  const memory = await webCache((note) => (found.note = note));
  await pullModel(net, memory, name);
  found.memory = [memory.kind, await readAll(memory)];
  StorageManager.prototype.getDirectory = getDirectory;
  return found;
}

if (new URLSearchParams(location.search).get('second')) {
  await pullModel(net, await webCache(), name);
  postMessage(reads());
} else {
  const found = await walk().catch((error) => ({ error: String(error?.stack ?? error) }));
  await fetch('/result', { method: 'POST', body: JSON.stringify(found) });
}
