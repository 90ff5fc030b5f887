// Compares the f32 recipe on the reference model with PyTorch: logits after each prompt, and all 64 greedy tokens. Usage: npm run goldens
import { KV32 } from '../src/formats/number-format.ts';
import { openGguf } from '../src/importers/open.ts';
import { quantize } from '../src/quantize/run.ts';
import { recipe } from '../src/quantize/registry.ts';
import { createDecoder } from '../src/runtime/decoder.ts';
import { fileSource } from '../src/surfaces/adapters/files.ts';
import { opener } from '../src/surfaces/adapters/node.ts';
import { certainTokens, greedy, logitError, readGoldens } from '../test/support/goldens.ts';

const goldens = readGoldens();
if (typeof goldens === 'string') throw new Error(goldens);
const store = await openGguf(await fileSource(goldens.gguf));
const decoder = await createDecoder(quantize(store, recipe('f32')), await opener(), { context: 128, kv: KV32 });
await store.close();

process.stdout.write('| prompt | logits, relative error | equal greedy tokens | near-ties (step, gap) |\n|---|---|---|---|\n');
let wrong = 0;
goldens.prompts.forEach((prompt, i) => {
  const { logits, tokens } = greedy(decoder, prompt.ids, prompt.continuation.length);
  const { relative } = logitError(goldens, i, logits);
  const differs = tokens.findIndex((token, step) => token !== prompt.continuation[step]);
  const equal = differs < 0 ? tokens.length : differs;
  if (equal < certainTokens(prompt) || relative > 1e-3) wrong++;
  const ties = prompt.near_ties_below_1e3.map(([step, gap]) => `${step}: ${gap.toExponential(1)}`).join(', ') || 'none';
  process.stdout.write(`| ${i}: ${JSON.stringify(prompt.text.slice(0, 30)).replaceAll('|', '\\|')} | ${relative.toExponential(1)} | ${equal} of ${tokens.length} | ${ties} |\n`);
});
process.stdout.write(wrong === 0 ? '\nAll prompts agree (to the first near-tie at least).\n' : `\n${wrong} prompts differ.\n`);
process.exitCode = wrong === 0 ? 0 : 1;
