// examples/worker with less memory than the model needs.
import { env } from 'cloudflare:workers';
import { createHandler } from 'tetrad/http';
import { assetDirectory, load } from 'tetrad/workerd';

const handler = createHandler({ name: 'small', model: () => load(assetDirectory(env.ASSETS, 'https://assets.local/smollm2-135m-instruct'), { context: 2048, budget: 100e6 }) });

export default {
  fetch: (request, _env, context) => handler(request, context),
};
