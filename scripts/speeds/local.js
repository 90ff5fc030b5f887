// The program on a runtime with files. Usage: RUNTIME local.js ADAPTER STARTED    STARTED: when the process was started, in milliseconds since 1970. Waits to be
// looked at until its standard input ends.
import { timed } from './program.js';

const [, , adapter, started] = process.argv;
const { load } = await import(`tetrad/${adapter}`);
console.log(JSON.stringify(await timed({ load: (options) => load(undefined, options), now: () => performance.now(), sinceStart: () => Date.now() - Number(started) })));
for await (const _ of process.stdin);
