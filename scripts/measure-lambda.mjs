// What the Lambda example takes in a sandbox with one processor, run by the real runtime interface client: bytes, cold start, first token, tokens a second, memory.
// Usage: npm run measure:lambda [-- --json] [--runs 5]    Medians; JSON has every run. Fresh process each; the second request of a process is the warm one.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';
import { median, peakBytes } from './figures.mjs';
import { eventOf, startSandbox } from './lambda.mjs';
import { runtime } from './runtimes.mjs';

const TOKENS = 64;
/** They share only what the template puts first: the cache keeps that from one to the next. */
const QUESTIONS = ['Write a long story about a lighthouse keeper and the storm that he did not see coming.', 'Explain to a child, at length, why leaves are green and turn red in the autumn.'];

/** Milliseconds to the first byte of the body, and the tokens a second after the first one. */
async function ask(sandbox, question, since) {
  const body = { stream: true, temperature: 0, max_tokens: TOKENS, messages: [{ role: 'user', content: question }] };
  const answer = await sandbox.invoke(eventOf('POST', '/v1/chat/completions', JSON.stringify(body)));
  if (answer.statusCode !== 200) throw new Error(`the answer is ${answer.statusCode}`);
  let first = 0;
  let text = '';
  for await (const piece of answer.body) {
    first ||= performance.now();
    text += piece;
  }
  if (!text.includes('"finish_reason":"length"')) throw new Error(`the answer is not ${TOKENS} tokens long`);
  return { first: first - since, rate: ((TOKENS - 1) * 1000) / (performance.now() - first) };
}

async function measure(ric, task, command) {
  const start = performance.now();
  const sandbox = await startSandbox({ ric, task, command });
  try {
    const cold = await ask(sandbox, QUESTIONS[0], start);
    const warm = await ask(sandbox, QUESTIONS[1], performance.now());
    return { cold_start_ms: Math.round(cold.first), warm_first_token_ms: Math.round(warm.first), decode_tokens_per_s: Math.round(warm.rate * 10) / 10, peak_rss_bytes: peakBytes(sandbox.pid) };
  } finally {
    await sandbox.stop();
  }
}

const { values: { json, runs } } = parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string', default: '5' } } });
const { binary, version } = await runtime('ric');
const task = join(root, 'build', 'example-lambda');
const built = spawnSync(process.execPath, [join(root, 'examples/lambda/build.mjs'), '--out', task], { encoding: 'utf8' });
if (built.status !== 0) throw new Error(built.stderr);
const bytes = Number(/ (\d+) bytes/.exec(built.stdout)[1]);
const taskset = spawnSync('taskset', ['-c', '0', 'true']).status === 0;
const rows = [];
for (let run = 0; run < Number(runs); run++) rows.push(await measure(binary, task, taskset ? ['taskset', '-c', '0'] : []));
const columns = Object.keys(rows[0]).map((name) => [name, rows.map((row) => row[name])]);
const facts = { node: process.versions.node, runtime_interface_client: version, processors: taskset ? 1 : 'all: there is no taskset', unzipped_bytes: bytes };
if (json) console.log(JSON.stringify({ ...facts, ...Object.fromEntries(columns) }));
else console.log([...Object.entries(facts), ['runs', runs], ...columns.map(([name, values]) => [name, median(values)])].map((line) => line.join('\t')).join('\n'));
