// `npm start`: the embedded model completes a text and answers a question. `npm start -- "Your prompt"` answers that prompt.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { load } from '../dist/surfaces/adapters/node.js';
import { root } from './build.mjs';

const prompt = process.argv.slice(2).join(' ');
if (prompt !== '') {
  const { status, signal } = spawnSync(process.execPath, [join(root, 'dist/surfaces/cli/main.js'), 'run', '--', prompt], { stdio: 'inherit' });
  process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

const note = (text) => process.stderr.write(text);

/** Streams a generation to stdout and tells its speed. */
async function show(title, generation) {
  note(`\n${title}\n`);
  for await (const piece of generation) process.stdout.write(piece);
  const { usage, timings } = await generation.result;
  note(`\n[ ${usage.completionTokens} tokens, ${((usage.completionTokens * 1000) / timings.completionMs).toFixed(1)} tokens/s ]\n`);
}

try {
  const start = performance.now();
  const model = await load();
  const { total } = model.estimate;
  note(`${model.config.name}: loaded in ${((performance.now() - start) / 1000).toFixed(1)} s, ${Math.round(total / 1e6)} MB for weights and ${model.context} tokens of context\n`);
  const text = 'Photosynthesis is the process by which';
  const question = 'Why is the sky blue? Answer in one sentence.';
  await show(`Completion of "${text}":`, model.generate(text, { maxTokens: 32, temperature: 0 }));
  await show(`Answer to "${question}":`, model.chat([{ role: 'user', content: question }], { maxTokens: 80, temperature: 0 }));
  await model.dispose();
} catch (error) {
  note(`Error: ${error.message}\n`);
  process.exit(1);
}

note(`
Try next:
  npm start -- "Your prompt"
  npm run -s tetrad -- chat              talk with the model
  npm run -s tetrad -- bench             measure this machine
  npm run -s tetrad -- run model.gguf    any SmolLM2, Llama or Mistral checkpoint
  npm run -s tetrad -- --help
`);
