// The embedded model in a browser, by the library's core alone, in a worker or on a page. Posts its figures to /result.
// Query: threads, and prompt, gen, depth (speed), or cold (time to the first token after the page is ready).
import { openContainer } from '../../dist/container/read.js';
import { platformOf } from '../../dist/surfaces/adapters/browser.js';
import { decoderOf, modelOf } from '../../dist/surfaces/loader.js';
import { fetchDirectory } from '../../scripts/digests/fetch-directory.js';
import { runBench } from '../../dist/surfaces/cli/bench-run.js';

const query = new URLSearchParams(location.search);
const number = (name) => Number(query.get(name) ?? 0);
const now = () => performance.now();
const tokens = (count) => Array.from({ length: count }, (_, i) => (i * 7919 + 13) % 49152);

const request = async (context) => ({ ...(await platformOf({ threads: number('threads') || 1 })), context });

const image = () => openContainer(fetchDirectory('/models/smollm2-135m-instruct'));

async function cold() {
  const start = now();
  const model = await modelOf(await image(), await request(2048));
  const load_ms = now() - start;
  for await (const piece of model.generate(tokens(32), { maxTokens: 1, temperature: 0 })) void piece;
  return { load_ms, first_token_ms: now() - start, memory_bytes: model.estimate.total };
}

async function speed() {
  const [prompt, gen, depth] = ['prompt', 'gen', 'depth'].map(number);
  const decoder = await decoderOf(await image(), await request(Math.max(prompt, gen) + depth));
  const tests = [{ prompt, gen: 0, depth }, { prompt: 0, gen, depth }].filter((test) => test.prompt + test.gen > 0);
  const rates = [];
  for (const test of tests) {
    const samples = await runBench(decoder, test, 1, now, new AbortController().signal);
    rates.push(((test.prompt + test.gen) * 1e9) / samples[0]);
  }
  return { rates, threads: decoder.threads, memory_bytes: decoder.backend.memory.buffer.byteLength };
}

const test = number('cold') ? cold : speed;
const figures = await test().catch((error) => ({ error: String(error?.stack ?? error) }));
await fetch('/result', { method: 'POST', body: JSON.stringify({ agent: navigator.userAgent, ...figures }) });
