import { TetradError } from '../../core/errors.ts';
import { generationFlags, kebab, type GenerationFlags } from './flags.ts';
import { pairs } from './format.ts';

/** A whole input of the user, after `"""` blocks are joined; `more` while one is open. */
export type Entry =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'command'; readonly name: string; readonly rest: string }
  | { readonly kind: 'more' }
  | { readonly kind: 'nothing' };

const FENCE = '"""';

/** Puts lines together as ollama does: a line that starts with `"""` opens a text that ends with the next `"""`. */
export class LineReader {
  #open: string[] | null = null;

  push(line: string): Entry {
    if (this.#open === null && !line.startsWith(FENCE)) {
      const trimmed = line.trim();
      if (trimmed === '') return { kind: 'nothing' };
      const command = /^\/(\S+)\s*(.*)$/.exec(trimmed);
      return command ? { kind: 'command', name: command[1]!, rest: command[2]! } : { kind: 'message', text: line };
    }
    const rest = this.#open === null ? line.slice(FENCE.length) : line;
    const end = rest.indexOf(FENCE);
    const lines = [...(this.#open ?? []), end < 0 ? rest : rest.slice(0, end)];
    this.#open = end < 0 ? lines : null;
    return end < 0 ? { kind: 'more' } : { kind: 'message', text: lines.join('\n').trim() };
  }

  /** Forgets an open text. */
  reset(): void {
    this.#open = null;
  }
}

/** What commands of the session change. */
export interface ChatState {
  settings: GenerationFlags;
  /** Set to start a new conversation. */
  clear: boolean;
  done: boolean;
}

interface Action {
  readonly usage: string;
  readonly brief: string;
  /** Changes the state and returns what to print. */
  run(state: ChatState, rest: string): string;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  help: { usage: '/help', brief: 'This list', run: () => help() },
  clear: {
    usage: '/clear', brief: 'Forget the conversation',
    run(state) {
      state.clear = true;
      return 'Cleared the conversation\n';
    },
  },
  set: { usage: '/set [NAME [VALUE]]', brief: 'Change a setting; without a value back to its default; without a name list all', run: (state, rest) => set(state, rest) },
  bye: {
    usage: '/bye', brief: 'Leave (also Ctrl-D)',
    run(state) {
      state.done = true;
      return '';
    },
  },
};

const ALIASES: Readonly<Record<string, string>> = { '?': 'help', exit: 'bye', quit: 'bye' };

/** Runs `/name rest`. An unknown name or a bad value is told, never thrown. */
export function runCommand(state: ChatState, name: string, rest: string): string {
  const key = ALIASES[name] ?? name;
  if (!Object.hasOwn(ACTIONS, key)) return `Unknown command "/${name}": /help lists what there is\n`;
  return ACTIONS[key]!.run(state, rest);
}

function help(): string {
  const rows = Object.values(ACTIONS).map(({ usage, brief }) => [usage, brief] as const);
  return `${pairs([...rows, [FENCE, 'Begin and end a message of several lines']])}Settings:\n${pairs(settings().map(([name, , brief]) => [name, brief]))}`;
}

/** Names as the user writes them, keys, and briefs. */
function settings(): (readonly [name: string, key: keyof GenerationFlags, brief: string])[] {
  return (Object.keys(generationFlags) as (keyof GenerationFlags)[]).map((key) => [kebab(key), key, generationFlags[key].brief]);
}

function set(state: ChatState, rest: string): string {
  const [, name = '', value = ''] = /^(\S*)\s*(.*)$/.exec(rest)!;
  if (name === '') return pairs(settings().map(([shown, key]) => [shown, state.settings[key] === undefined ? '(default)' : JSON.stringify(state.settings[key])]));
  const found = settings().find(([shown]) => shown === name);
  if (!found) return `Unknown setting "${name}": one of ${settings().map(([shown]) => shown).join(', ')} is needed\n`;
  const [, key] = found;
  const { [key]: _old, ...others } = state.settings;
  if (value === '') {
    state.settings = others;
    return `${name} is back at its default\n`;
  }
  try {
    const parsed: unknown = Reflect.apply(Reflect.get(generationFlags[key], 'parse'), undefined, [value]);
    state.settings = { ...others, [key]: key === 'stop' ? [parsed] : parsed };
    return `${name} is ${JSON.stringify(parsed)}\n`;
  } catch (error) {
    if (TetradError.is(error)) return `Cannot set ${name}: ${error.message}\n`;
    throw error;
  }
}
