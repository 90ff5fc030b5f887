// The program in a page's worker. Posts what it found to /result.
import { load } from '../../dist/surfaces/adapters/browser.js';
import { timed } from './program.js';

const began = Number(new URLSearchParams(location.search).get('began'));
const now = () => performance.now();
const model = new URL('/models/smollm2-135m-instruct', location.href);
const found = await timed({ load: (options) => load(model, { ...options, cache: false }), now, sinceStart: () => Date.now() - began }).catch((error) => ({ error: String(error?.stack ?? error) }));
await fetch('/result', { method: 'POST', body: JSON.stringify({ agent: navigator.userAgent, ...found }) });
