// SmolLM2 behind OpenAI's HTTP interface, in one isolate of 128 MB.
import { env } from 'cloudflare:workers';
import { createHandler } from 'tetrad/http';
import { assetDirectory, load } from 'tetrad/workerd';

// At module scope: the weights are loaded once per isolate, by the first request, and all requests share them.
const handler = createHandler({
  name: 'smollm2-135m-instruct',
  model: () => load(assetDirectory(env.ASSETS, 'https://assets.local/smollm2-135m-instruct'), { context: 2048 }),
  onError: console.error,
});

export default {
  fetch: (request, _env, context) => handler(request, context),
};
