import { platformOf } from '../../dist/surfaces/adapters/browser.js';
import { fetchDirectory } from './fetch-directory.js';
import { measure } from './program.js';

const options = JSON.parse(new URLSearchParams(location.search).get('options') ?? '{}');
const directory = (path) => fetchDirectory(new URL(path, location.href).href);
const models = { embedded: directory('/models/smollm2-135m-instruct'), tiny: directory('/test/fixtures/container-v1') };
const body = await measure({ ...options, ...models, platformOf }).then((rows) => ({ rows, isolated: globalThis.crossOriginIsolated }), (error) => ({ error: String(error?.stack ?? error) }));
await fetch('/result', { method: 'POST', body: JSON.stringify({ agent: navigator.userAgent, ...body }) });
