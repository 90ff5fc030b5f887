// SmolLM2 behind OpenAI's HTTP interface, in AWS Lambda.
import { fileURLToPath } from 'node:url';
import { createHandler } from 'tetrad/http';
import { lambdaHandler } from 'tetrad/lambda';
import { load } from 'tetrad/node';

// At module scope: a sandbox loads the model once, before its first request. One thread, as 1,769 MB of memory buy one vCPU.
const model = await load(fileURLToPath(new URL('./model', import.meta.url)), { threads: 1 });

export const handler = lambdaHandler(createHandler({ name: 'smollm2-135m-instruct', model: async () => model, onError: console.error }));
