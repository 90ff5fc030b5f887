import { benchCommand } from './bench.ts';
import { chatCommand } from './chat.ts';
import { evalCommand } from './eval.ts';
import { infoCommand } from './info.ts';
import { listCommand } from './list.ts';
import { pplCommand } from './ppl.ts';
import { pullCommand } from './pull.ts';
import { quantizeCommand } from './quantize.ts';
import { rmCommand } from './rm.ts';
import { runCommand } from './run.ts';
import { showCommand } from './show.ts';

/** Every command: the only place where one is registered. */
export const commands = {
  run: runCommand, chat: chatCommand, pull: pullCommand, list: listCommand, rm: rmCommand, quantize: quantizeCommand, show: showCommand, ppl: pplCommand, eval: evalCommand, bench: benchCommand, info: infoCommand,
};
