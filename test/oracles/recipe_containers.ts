// Packs the model of test/oracles/recipes_model.py as each case of test/fixtures/recipes says: node test/oracles/recipe_containers.ts FOLDER. For the reader
// of test/oracles/recipes.py --containers.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeContainer } from '../../src/container/write.ts';
import { directorySink } from '../../src/surfaces/adapters/directory-sink.ts';
import { packCase, type OracleCase } from '../support/recipe-cases.ts';

const fixtures = fileURLToPath(new URL('../fixtures/recipes', import.meta.url));
const [folder] = process.argv.slice(2);
if (!folder) throw new Error('Cannot write containers: there is no folder, needed is one argument');
for (const file of readdirSync(fixtures).filter((name) => name.endsWith('.json') && name !== 'branches.json')) {
  const image = await packCase(JSON.parse(readFileSync(join(fixtures, file), 'utf8')) as OracleCase);
  await writeContainer(image, await directorySink(join(folder, file.replace('.json', ''))));
  await image.close();
}
