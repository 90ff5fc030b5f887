/** The page: wires buttons and keys to the worker that holds the model. Everything that is shown goes through `view.js`. */
import * as view from './view.js';

/** @typedef {{ role: 'user' | 'assistant', content: string }} Message */

const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
/** What a reader is told of how a reply ended. */
const ENDS = { length: 'The context is full: begin a new chat', stopped: 'Stopped' };
const model = new URL('./model/', document.baseURI).href;
/** @type {Message[]} */
let messages = [];
/** The reply being written; null: none is. */
let reply = null;

const post = (kind, rest = {}) => worker.postMessage({ kind, ...rest }, { transfer: [] });

function load() {
  view.showLoading('Starting');
  post('load', { model });
}

function send(text) {
  messages.push({ role: 'user', content: text });
  view.addMessage('user', text);
  reply = view.addMessage('assistant', '');
  view.setBusy(true);
  post('chat', { messages });
}

/** Ends the turn; a turn without a word of reply is taken back, so that it can be sent again. */
function finish(text, aside, error) {
  if (text === '') {
    const { content } = messages.pop();
    view.takeBack(reply, content);
  } else {
    messages.push({ role: 'assistant', content: text });
    view.finishMessage(reply, aside);
  }
  reply = null;
  view.setBusy(false);
  if (error) view.showAlert(error);
}

/** What the worker says, by kind. */
const heard = {
  progress: ({ stage, loaded, total }) => view.showProgress(stage, loaded, total),
  note: ({ text }) => view.showNote(text),
  ready: ({ facts }) => view.showReady(facts),
  stopped: () => view.showUnloaded(),
  piece: ({ text }) => reply && view.extendMessage(reply, text),
  done: ({ text, reason, facts }) => {
    view.showFacts(facts);
    finish(text, [ENDS[reason], facts.decode && view.rateText(facts.decode)].filter(Boolean).join(', '));
  },
  failed: ({ text, message }) => finish(text ?? '', '', message),
  unusable: ({ message }) => {
    view.showUnloaded();
    view.showAlert(message);
  },
  forgotten: () => view.showForgotten(),
  stored: load, // a model that is already here is loaded at once
};
worker.addEventListener('message', ({ data }) => heard[data.kind](data));
worker.addEventListener('error', ({ message }) => heard.unusable({ message: message || 'Cannot start the worker: the browser gives no reason' }));

view.onLoad(load);
view.onCancel(() => post('cancel'));
view.onStop(() => reply && post('stop'));
view.onSend((text) => !reply && send(text));
view.onFresh(() => {
  messages = [];
  view.clearMessages();
});
view.onForget(() => post('forget'));

if ('serviceWorker' in navigator) navigator.serviceWorker.register(new URL('./service-worker.js', document.baseURI)).catch((error) => view.showNote(`The page will not work offline: ${error.message}`));
post('look', { model });
