import { describe, expect, it } from 'vitest';
import { TetradError } from '../../src/core/errors.ts';
import { exitCodeOf, messageOf, processExitCode, UsageError } from '../../src/surfaces/cli/exit.ts';
import { promptFrom, runTarget } from '../../src/surfaces/cli/prompt.ts';

describe('runTarget()', () => {
  const exists = (path: string): boolean => path === 'model' || path === 'what?';
  it.each([
    [[undefined, undefined], null, null],
    [['model', undefined], 'model', null],
    [['what?', undefined], 'what?', null],
    [['Why is the sky blue?', undefined], null, 'Why is the sky blue?'],
    [['Is a/b a path?', undefined], null, 'Is a/b a path?'],
    [['hello', undefined], null, 'hello'],
    [['missing.gguf', undefined], 'missing.gguf', null],
    [['./missing', undefined], './missing', null],
    [['~/missing', undefined], '~/missing', null],
    [['hello', 'you'], 'hello', 'you'],
  ])('reads %j', ([first, second], model, prompt) => expect(runTarget(first, second, exists)).toEqual({ model, prompt }));
});

describe('promptFrom()', () => {
  it('prefers the argument, then a pipe, and needs one', async () => {
    const read = async (): Promise<string> => 'from a pipe\n';
    expect(await promptFrom('given', {}, read)).toBe('given');
    expect(await promptFrom(null, { isTTY: false }, read)).toBe('from a pipe');
    await expect(promptFrom(null, { isTTY: true }, read)).rejects.toThrow(UsageError);
  });

  it('refuses an empty prompt', async () => {
    await expect(promptFrom('', {}, async () => 'x')).rejects.toMatchObject({ code: 'empty_prompt' });
    await expect(promptFrom(null, {}, async () => '\n')).rejects.toMatchObject({ code: 'empty_prompt' });
  });
});

describe('exit codes', () => {
  const live = new AbortController().signal;
  it('exitCodeOf() tells failure, usage and interruption apart', () => {
    expect(exitCodeOf(new TetradError('invalid_file', 'x'), live)).toBe(1);
    expect(exitCodeOf(new TetradError('unknown_recipe', 'x'), live)).toBe(2);
    expect(exitCodeOf(new UsageError('x'), live)).toBe(2);
    expect(exitCodeOf(new Error('x'), AbortSignal.abort('SIGINT'))).toBe(130);
    expect(exitCodeOf(new Error('x'), AbortSignal.abort('SIGTERM'))).toBe(143);
  });

  it('messageOf() is one line for our errors and a stack for defects', () => {
    expect(messageOf(new TetradError('io_error', 'Cannot write a\nb'))).toBe('Cannot write a b');
    expect(messageOf(new RangeError('boom'))).toContain('\n');
  });

  it('processExitCode() maps the codes of the argument parser', () => expect([0, 1, 130, -4, -5, -1, undefined].map(processExitCode)).toEqual([0, 1, 130, 2, 2, 1, 0]));
});
