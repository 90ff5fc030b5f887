import { benchCommand } from './bench.ts';
import { chatCommand } from './chat.ts';
import { evalCommand } from './eval.ts';
import { infoCommand } from './info.ts';
import { pplCommand } from './ppl.ts';
import { quantizeCommand } from './quantize.ts';
import { runCommand } from './run.ts';
import { showCommand } from './show.ts';

/** Every command: the only place where one is registered. */
export const commands = {
  run: runCommand, chat: chatCommand, quantize: quantizeCommand, show: showCommand, ppl: pplCommand, eval: evalCommand, bench: benchCommand, info: infoCommand,
};
