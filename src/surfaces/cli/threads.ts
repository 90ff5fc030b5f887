import type { CliContext } from './context.ts';

/** Prints what the library has to say about a command's thread counts on stderr, each sentence once. */
export function notes({ process }: CliContext): (note: string) => void {
  const said = new Set<string>();
  return (note) => {
    if (!said.has(note)) process.stderr.write(`Note: ${note}\n`);
    said.add(note);
  };
}
