// What a user does, on a runtime with files, by the package's name alone. Usage: RUNTIME smoke.js CONTAINER CHECKPOINT CYCLES    Prints what it saw as JSON.
import process from 'node:process';
import { EMBEDDED, TetradError, estimate, load } from 'tetrad';

const [container, checkpoint, cycles] = process.argv.slice(2);
const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : globalThis.gc;

async function texts(threads) {
  const model = await load(EMBEDDED, { context: 256, threads });
  const { text } = await model.generate('The capital of France is', { maxTokens: 8, temperature: 0 }).result;
  const { text: answer } = await model.chat([{ role: 'user', content: 'Count to three.' }], { maxTokens: 8, seed: 7 }).result;
  await model.dispose();
  return [text, answer];
}

async function once(source, threads) {
  const model = await load(source, { context: 64, threads });
  const { text } = await model.generate([1, 2, 3], { maxTokens: 2, temperature: 0 }).result;
  await model.dispose();
  return text;
}

/** Bytes that the process grows by from a fifth of the cycles on. */
async function growth() {
  const resident = () => {
    for (let turn = 0; turn < 3; turn++) collect();
    return process.memoryUsage().rss;
  };
  let start = 0;
  for (let cycle = 0; cycle < Number(cycles); cycle++) {
    if (cycle === Number(cycles) / 5) start = resident();
    await once(container, (cycle % 2) + 1);
  }
  return resident() - start;
}

const refusal = (promise) => promise.then(() => null, (error) => (TetradError.is(error) ? error.code : String(error)));

console.log(JSON.stringify({
  entry: import.meta.resolve('tetrad').split('/').pop(),
  texts: [await texts(1), await texts(2)],
  total: (await estimate(EMBEDDED, { context: 256, threads: 1 })).total,
  packed: await once(checkpoint, 1),
  refusals: [await refusal(load('no/such/model')), await refusal(load(container, { budget: 1000 })), await refusal(load(container, { threads: 0 }))],
  growth: await growth(),
}));
