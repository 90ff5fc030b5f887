/** The model's own thread: the page stays free while tokens are made. Says what happens by messages with a `kind`; page.js knows them all. */
import { listModels, load, removeModel, TetradError, webCache } from 'tetrad/browser';

const CONTEXT = 2048;
const PLACES = { files: 'browser files', responses: 'browser cache', memory: 'memory only' };

let model = null;
/** Ends what is going on: a load or a reply. */
let stop = new AbortController();

const say = (kind, rest = {}) => self.postMessage({ kind, ...rest }, { transfer: [] });
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

async function start({ model: address }) {
  stop = new AbortController();
  const { signal } = stop;
  const started = performance.now();
  try {
    model = await load(address, {
      context: CONTEXT, signal,
      onNote: (text) => say('note', { text }),
      onProgress: ({ stage, loaded, total }) => say('progress', { stage, loaded, total }),
    });
  } catch (error) {
    say(signal.aborted ? 'stopped' : 'unusable', { message: messageOf(error) });
    return;
  }
  const { total, weights, kv } = model.estimate;
  const { kind } = await webCache();
  say('ready', { facts: { engine: model.kernels, threads: model.threads, loadTime: performance.now() - started, context: model.context, memory: total, weights, kv, storage: PLACES[kind] } });
}

async function chat({ messages }) {
  stop = new AbortController();
  const { signal } = stop;
  const started = performance.now();
  let text = '';
  let firstToken;
  try {
    const generation = model.chat(messages, { signal });
    for await (const piece of generation) {
      firstToken ??= performance.now() - started;
      text += piece;
      say('piece', { text: piece });
    }
    const { finishReason, timings, seed } = await generation.result;
    say('done', { text, reason: finishReason, facts: { ...factsOf(timings, firstToken), seed } });
  } catch (error) {
    if (signal.aborted) say('done', { text, reason: 'stopped', facts: {} });
    else say('failed', { text, message: TetradError.is(error) && error.code === 'context_overflow' ? 'The chat is too long for the context: begin a new one' : messageOf(error) });
  }
}

/** Rates of what was computed; a prompt that lay in the cache takes no time. */
function factsOf({ promptTokens, cachedTokens, promptMs, completionTokens, completionMs }, firstToken) {
  const ran = promptTokens - cachedTokens;
  return {
    ...(firstToken !== undefined && { firstToken }),
    ...(ran > 0 && { prefill: (ran / promptMs) * 1000 }),
    ...(completionTokens > 1 && { decode: ((completionTokens - 1) / completionMs) * 1000 }),
  };
}

/** Says whether the model is stored here, so that it can be loaded without asking. */
async function look({ model: address }) {
  const store = await webCache();
  const name = address.replace(/\/+$/, '');
  if ((await listModels(store)).some((known) => known.name === name && known.files.length > 0)) say('stored');
}

async function forget() {
  const store = await webCache();
  for (const { name } of await listModels(store)) await removeModel(store, name);
  say('forgotten');
}

const tasks = { load: start, chat, look, forget, cancel: () => stop.abort(), stop: () => stop.abort() };
self.addEventListener('message', ({ data }) => void Promise.resolve(tasks[data.kind](data)).catch((error) => say('unusable', { message: messageOf(error) })));
