import { describe, expect, it } from 'vitest';
import { childUrl, parseSourceName, remoteText, shownUrl, isRemote } from '../../src/surfaces/network/source-name.ts';

const hub = (repo: string, file: string | null = null, revision = 'main') => ({ kind: 'hub', repo, revision, file });

describe('parseSourceName()', () => {
  it.each([
    ['model.gguf', { kind: 'path', path: 'model.gguf' }],
    ['/a/b', { kind: 'path', path: '/a/b' }],
    ['C:\\models\\x', { kind: 'path', path: 'C:\\models\\x' }],
    ['./hf:odd', { kind: 'path', path: './hf:odd' }],
    ['name:tag', { kind: 'path', path: 'name:tag' }],
    ['file:///a/b%20c', { kind: 'file', url: new URL('file:///a/b%20c') }],
    ['https://host/models/m', { kind: 'url', url: 'https://host/models/m', gguf: false }],
    ['https://host/models/m/', { kind: 'url', url: 'https://host/models/m', gguf: false }],
    ['https://host/models/m/model.json?sig=1#x', { kind: 'url', url: 'https://host/models/m?sig=1', gguf: false }],
    ['http://host', { kind: 'url', url: 'http://host/', gguf: false }],
    ['https://host/a.GGUF?download=1', { kind: 'url', url: 'https://host/a.GGUF?download=1', gguf: true }],
    ['hf:o/r', hub('o/r')],
    ['hf://o/r', hub('o/r')],
    ['HF:o/r.x-y_z@v1.0', hub('o/r.x-y_z', null, 'v1.0')],
    ['hf:o/r@refs/pr/1:a/b.gguf', hub('o/r', 'a/b.gguf', 'refs/pr/1')],
    ['hf:o/r:Q4_K_M', hub('o/r', 'Q4_K_M')],
    ['https://huggingface.co/o/r', hub('o/r')],
    ['https://huggingface.co/o/r/tree/main', hub('o/r')],
    ['https://huggingface.co/o/r/blob/main/a/b.gguf', hub('o/r', 'a/b.gguf')],
    ['https://huggingface.co/o/r/resolve/abc/b.gguf?download=true', hub('o/r', 'b.gguf', 'abc')],
  ])('reads %s', (text, name) => expect(parseSourceName(text)).toEqual(name));

  it.each([
    ['hf:', 'is no repository'], ['hf:owner', 'is no repository'], ['hf:o/r/x', 'is no repository'], ['hf:../r', 'is no repository'], ['hf:o/r:', 'is no file'],
    ['hf:o/r:../x', 'is no file'], ['hf:o/r:/x', 'is no file'], ['hf:o/r@:x', 'revision is empty'], ['https://', 'malformed'], ['s3://bucket/x', 'nothing is known of s3:'],
    ['https://me:secret@host/x', 'user name or password'], ['https://host/x.safetensors', 'no model can be loaded'],
  ])('refuses %s', (text, why) => expect(() => parseSourceName(text)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining(why) })));

  it('never repeats a password', () => expect(() => parseSourceName('https://me:secret@host/x')).toThrow(/^(?!.*secret)/));
});

describe('remoteText()', () => {
  it.each(['hf:o/r', 'hf:o/r@v1', 'hf:o/r@v1:a.gguf', 'hf:o/r:a.gguf', 'https://host/m', 'https://host/m?x=1', 'https://host/a.gguf'])('writes %s as it was read', (text) => {
    const name = parseSourceName(text);
    expect(isRemote(name) && remoteText(name)).toBe(text);
  });
});

it('childUrl() keeps the query and encodes the path, shownUrl() leaves the query away', () => {
  expect(childUrl('https://host/m?sig=1', 'a b/c#.bin')).toBe('https://host/m/a%20b/c%23.bin?sig=1');
  expect(childUrl('https://host/m/', 'x')).toBe('https://host/m/x');
  expect(shownUrl('https://host/m/x?sig=secret')).toBe('https://host/m/x');
});
