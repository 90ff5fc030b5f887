// Writes test/fixtures/session-v1: a container, two sessions of its model that were saved, and the tokens that they go on with: node test/oracles/session_fixture.ts.
// Frozen with the first release of version 1 of saved sessions; a later version gets a folder of its own.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeContainer } from '../../src/container/write.ts';
import type { Session } from '../../src/generate/session.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { directorySink } from '../../src/surfaces/adapters/directory-sink.ts';
import { load } from '../../src/surfaces/adapters/node.ts';
import { FIXTURE_TURN } from '../support/session-fixture.ts';
import { tinyStore } from '../support/tiny-model.ts';

const folder = fileURLToPath(new URL('../fixtures/session-v1', import.meta.url));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
const store = tinyStore({ config: { hidden: 64, heads: 2, kvHeads: 1, headDim: 32, ffn: 64, context: 1024 } });
await writeContainer(quantize(store, recipe('w4a8')), await directorySink(`${folder}/model`));

const model = await load(`${folder}/model`, { context: 512, threads: 1 });
const text = model.session({ seed: 1 });
await text.generate('All happy families are alike; '.repeat(6), FIXTURE_TURN).result;
const talk = model.session({ seed: 2 });
await talk.chat([{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Who are you, and since when? '.repeat(4) }], FIXTURE_TURN).result;
const expected: Record<string, unknown> = {};
const save = async (name: string, session: Session, turn: () => Promise<{ tokens: readonly number[] }>): Promise<void> => {
  writeFileSync(`${folder}/${name}.bin`, await session.save());
  expected[name] = { saved: session.tokens.length, tokens: (await turn()).tokens };
};
await save('text', text, () => text.generate('', FIXTURE_TURN).result);
await save('talk', talk, () => talk.chat('And now?', FIXTURE_TURN).result);
writeFileSync(`${folder}/expected.json`, `${JSON.stringify({ digest: await model.digest, ...expected })}\n`);
await model.dispose();
