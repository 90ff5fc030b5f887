/** All that touches the document. */

const get = (id) => document.getElementById(id);
const [log, welcome, loading, bar, prompt, sendButton, stopButton] = ['log', 'welcome', 'loading', 'loading-bar', 'prompt', 'send', 'stop'].map(get);
const WHO = { user: 'You', assistant: 'Model' };
const STAGES = { download: 'Downloading', load: 'Reading into memory' };

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
export const rateText = (rate) => `${rate.toFixed(rate < 100 ? 1 : 0)} tokens/s`;
/** How each fact of the panel is written. */
const FACTS = {
  engine: String, threads: String, seed: String, storage: String, context: (n) => `${n.toLocaleString()} tokens`,
  loadTime: (ms) => `${(ms / 1000).toFixed(2)} s`, firstToken: (ms) => `${Math.round(ms)} ms`,
  prefill: rateText, decode: rateText, memory: megabytes, weights: megabytes, kv: megabytes,
};

function show(id, text) {
  const element = get(id);
  element.textContent = text;
  element.hidden = text === '';
}
export const showAlert = (text) => show('alert', text);
export const showNote = (text) => show('note', text);

/** Follows the text unless the reader has scrolled back. */
function following(change) {
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  change();
  if (near) log.scrollTo({ top: log.scrollHeight, behavior: 'instant' });
}

export function showFacts(facts) {
  for (const [name, value] of Object.entries(facts)) document.querySelector(`[data-fact="${name}"]`).textContent = FACTS[name](value);
}

export function showLoading(text) {
  showAlert('');
  get('load').disabled = true;
  loading.hidden = false;
  get('loading-label').textContent = text;
  bar.removeAttribute('value');
}

export function showProgress(stage, loaded, total) {
  get('loading-label').textContent = `${STAGES[stage] ?? stage}: ${megabytes(loaded)} of ${megabytes(total)}`;
  bar.value = loaded / total;
}

export function showUnloaded() {
  loading.hidden = true;
  get('load').disabled = false;
  get('load').focus();
}

export function showReady(facts) {
  loading.hidden = true;
  welcome.hidden = true;
  showFacts(facts);
  get('forget').disabled = false;
  get('fresh').disabled = false;
  prompt.placeholder = 'Ask something';
  setBusy(false);
  get('said').textContent = 'The model is ready';
}

export function showForgotten() {
  get('forget').disabled = true;
  showFacts({ storage: 'memory only' });
  get('said').textContent = 'The stored model is deleted';
}

export function setBusy(busy) {
  log.setAttribute('aria-busy', String(busy)); // screen readers wait for the whole reply
  sendButton.hidden = busy;
  stopButton.hidden = !busy;
  sendButton.disabled = prompt.disabled = false;
  get('fresh').disabled = busy;
  if (busy) showAlert('');
  prompt.focus();
}

export function addMessage(role, text) {
  const item = document.createElement('article');
  item.className = `message ${role}`;
  const who = document.createElement('h2');
  who.textContent = WHO[role];
  const body = document.createElement('p');
  body.textContent = text;
  item.append(who, body);
  log.append(item);
  log.scrollTo({ top: log.scrollHeight, behavior: 'instant' });
  return item;
}

export const extendMessage = (item, piece) => following(() => item.querySelector('p').append(piece));

export function finishMessage(item, aside) {
  if (aside === '') return;
  const line = document.createElement('p');
  line.className = 'aside';
  line.textContent = aside;
  following(() => item.append(line));
}

/** Removes a turn that came to nothing and puts its text back. */
export function takeBack(item, text) {
  item.previousElementSibling.remove();
  item.remove();
  if (prompt.value === '') prompt.value = text;
}

export function clearMessages() {
  for (const item of log.querySelectorAll('.message')) item.remove();
  showAlert('');
  prompt.focus();
}

const onClick = (id) => (action) => get(id).addEventListener('click', action);
export const [onLoad, onCancel, onStop, onFresh, onForget] = ['load', 'cancel', 'stop', 'fresh', 'forget'].map(onClick);

/** Calls `action` with a text that is to be sent: by the button or by Enter. */
export function onSend(action) {
  const submit = () => {
    const text = prompt.value.trim();
    if (text === '' || sendButton.hidden || sendButton.disabled) return;
    prompt.value = '';
    action(text);
  };
  get('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  prompt.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !stopButton.hidden) stopButton.click();
  });
}

get('panel').open = matchMedia('(min-width: 48.01rem)').matches;
