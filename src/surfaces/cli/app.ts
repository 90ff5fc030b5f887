import { buildApplication, buildRouteMap, text_en, type Application, type ApplicationText } from '@stricli/core';
import { commands } from './commands/index.ts';
import type { CliContext } from './context.ts';
import { exitCodeOf, messageOf } from './exit.ts';

/** Messages of failures: `Error: what` on one line; for an interruption only that word. */
function textFor(signal: AbortSignal): ApplicationText {
  const failure = (error: unknown): string => (signal.aborted ? 'Interrupted' : `Error: ${messageOf(error)}`);
  return {
    ...text_en,
    formatException: messageOf,
    exceptionWhileParsingArguments: (error) => `Error: ${text_en.exceptionWhileParsingArguments.call({ formatException: messageOf }, error, false)}`,
    noCommandRegisteredForInput: (input) => `Error: ${text_en.noCommandRegisteredForInput(input)}`,
    exceptionWhileLoadingCommandFunction: failure,
    exceptionWhileLoadingCommandContext: failure,
    exceptionWhileRunningCommand: failure,
    commandErrorResult: failure,
  };
}

/** The program `tetrad`. */
export function tetrad(version: string, signal: AbortSignal): Application<CliContext> {
  const routes = buildRouteMap({ routes: commands, docs: { brief: '4-bit language models on WebAssembly: quantise, run, chat, measure' } });
  return buildApplication(routes, {
    name: 'tetrad',
    versionInfo: { currentVersion: version },
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
    documentation: { caseStyle: 'convert-camel-to-kebab', useAliasInUsageLine: true, onlyRequiredInUsageLine: true },
    localization: { text: textFor(signal) },
    determineExitCode: (error) => exitCodeOf(error, signal),
  });
}
