// The program on a runtime with files. Usage: RUNTIME local.js ADAPTER ['{"paths":[...],"threads":[...]}']    Prints rows as JSON.
import { fileURLToPath } from 'node:url';
import { fileDirectory } from '../../dist/surfaces/adapters/files.js';
import { measure } from './program.js';

const { platformOf, EMBEDDED } = await import(`tetrad/${process.argv[2]}`);
const tiny = fileDirectory(fileURLToPath(new URL('../../test/fixtures/container-v1', import.meta.url)));
console.log(JSON.stringify(await measure({ ...JSON.parse(process.argv[3] ?? '{}'), platformOf, embedded: fileDirectory(EMBEDDED), tiny })));
