// Loads where something is missing; prints the code and the message of the refusal.
import { load } from 'tetrad';

console.log(JSON.stringify(await load(undefined, { context: 64 }).then(() => null, ({ code, message }) => ({ code, message }))));
