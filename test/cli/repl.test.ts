import { describe, expect, it } from 'vitest';
import { LineReader, runCommand, type ChatState } from '../../src/surfaces/cli/repl.ts';

const state = (): ChatState => ({ settings: {}, clear: false, done: false });

describe('LineReader', () => {
  it('tells messages from commands', () => {
    const reader = new LineReader();
    expect(['hi there', '  ', '/set temp 0.5', '/bye'].map((line) => reader.push(line))).toEqual([
      { kind: 'message', text: 'hi there' }, { kind: 'nothing' }, { kind: 'command', name: 'set', rest: 'temp 0.5' }, { kind: 'command', name: 'bye', rest: '' },
    ]);
  });

  it('joins the lines between triple quotes', () => {
    const reader = new LineReader();
    expect(['"""one', '/two', 'three"""', 'four'].map((line) => reader.push(line))).toEqual([
      { kind: 'more' }, { kind: 'more' }, { kind: 'message', text: 'one\n/two\nthree' }, { kind: 'message', text: 'four' },
    ]);
    expect(reader.push('"""all"""')).toEqual({ kind: 'message', text: 'all' });
  });

  it('reset() forgets an open text', () => {
    const reader = new LineReader();
    reader.push('"""one');
    reader.reset();
    expect(reader.push('two')).toEqual({ kind: 'message', text: 'two' });
  });
});

describe('runCommand()', () => {
  it('sets, lists and takes back settings', () => {
    const s = state();
    expect(runCommand(s, 'set', 'top-p 0.9')).toBe('top-p is 0.9\n');
    expect(runCommand(s, 'set', 'system You are brief.')).toBe('system is "You are brief."\n');
    expect(runCommand(s, 'set', 'stop END')).toBe('stop is "END"\n');
    expect(s.settings).toEqual({ topP: 0.9, system: 'You are brief.', stop: ['END'] });
    expect(runCommand(s, 'set', '')).toMatch(/top-p +0\.9\n/);
    runCommand(s, 'set', 'top-p');
    expect(s.settings).not.toHaveProperty('topP');
  });

  it.each([['temp warm', 'Cannot set temp'], ['colour red', 'Unknown setting "colour"'], ['constructor 1', 'Unknown setting']])('refuses /set %s', (rest, message) => {
    const s = state();
    expect(runCommand(s, 'set', rest)).toContain(message);
    expect(s.settings).toEqual({});
  });

  it('knows its aliases and no other names', () => {
    const s = state();
    expect(runCommand(s, '?', '')).toContain('/clear');
    expect(runCommand(s, 'toString', '')).toContain('Unknown command "/toString"');
    runCommand(s, 'clear', '');
    runCommand(s, 'exit', '');
    expect([s.clear, s.done]).toEqual([true, true]);
  });
});
