// The program in a browser, and what a user does there: loads a model, hears notes, generates.
import { load, platformOf } from '../../dist/surfaces/adapters/browser.js';
import { fetchDirectory } from './fetch-directory.js';
import { measure } from './program.js';

const options = JSON.parse(new URLSearchParams(location.search).get('options') ?? '{}');
const directory = (path) => fetchDirectory(new URL(path, location.href).href);
const models = { embedded: directory('/models/smollm2-135m-instruct'), tiny: directory('/test/fixtures/container-v1') };

async function textOf(source, prompt, notes = []) {
  const model = await load(source, { context: 64, onNote: (note) => notes.push(note) });
  const { text } = await model.generate(prompt, { maxTokens: 8, temperature: 0 }).result;
  await model.dispose();
  return text;
}

async function fileSource(path) {
  const bytes = new Uint8Array(await (await fetch(path)).arrayBuffer());
  return { name: path, size: bytes.length, read: async (offset, target) => target.set(bytes.subarray(offset, offset + target.length)) };
}

async function use() {
  const notes = [];
  const text = await textOf(models.embedded, 'The capital of France is', notes);
  const packed = options.gguf && (await textOf(await fileSource(options.gguf), [1, 2]));
  return { text, packed, notes, isolated: globalThis.crossOriginIsolated };
}

async function all() {
  return { rows: await measure({ ...options, ...models, platformOf }), ...(await use()) };
}

const seen = await all().catch((error) => ({ error: String(error?.stack ?? error) }));
await fetch('/result', { method: 'POST', body: JSON.stringify({ agent: navigator.userAgent, ...seen }) });
