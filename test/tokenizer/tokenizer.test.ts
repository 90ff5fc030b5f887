import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TetradError } from '../../src/core/errors.ts';
import { tokenizerFromGguf } from '../../src/tokenizer/gguf-vocab.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

type Metadata = Record<string, unknown>;
const { sentencepiece, byteLevel } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../fixtures/tokenizers.json'), 'utf8')) as Record<
  'sentencepiece' | 'byteLevel', { metadata: Metadata }>;
const fromGguf = (metadata: Metadata): Tokenizer => new Tokenizer(tokenizerFromGguf(new Map(Object.entries(metadata))));
const bytes = fromGguf({ ...byteLevel.metadata, 'tokenizer.ggml.pre': 'llama-bpe' });
const pieces = fromGguf(sentencepiece.metadata);

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return TetradError.is(error) ? error.code : String(error);
  }
  return 'no error';
}

const codePoint = fc.oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0x80, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }));
const anyText = fc.array(codePoint).map((codes) => String.fromCodePoint(...codes));

describe('Tokenizer', () => {
  test.each([['byte-level', bytes], ['SentencePiece', pieces]])('%s: decode() undoes encode() for any text without lone surrogates', (_, tokenizer) => {
    fc.assert(fc.property(anyText, fc.boolean(), (text, special) => {
      return tokenizer.decode(tokenizer.encode(text, { special })) === text;
    }));
  });

  test.each([['byte-level', bytes], ['SentencePiece', pieces]])('%s: special tokens in text are plain text unless asked for', (_, tokenizer) => {
    const text = 'a</s><s> b';
    const plain = tokenizer.encode(text);
    expect(plain.some((id) => tokenizer.isSpecial(id))).toBe(false);
    expect(tokenizer.decode(plain)).toBe(text);
    expect(tokenizer.encode(text, { special: true }).filter((id) => tokenizer.isSpecial(id)).map((id) => tokenizer.textOf(id))).toEqual(['</s>', '<s>']);
  });

  test('merge rules that spell a control token are ignored: its pieces never give its id', () => {
    const tokens = ['<s>', '<', 's', '>', '<s'];
    const tokenizer = new Tokenizer({
      tokenizer: {
        model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: [['<', 's'], ['<s', '>']] },
        added_tokens: [{ id: 0, content: '<s>', special: true }], decoder: { type: 'ByteLevel' },
      },
      bos: 0, eos: [], addBos: false, chatTemplate: null,
    });
    expect(tokenizer.encode('<s>')).toEqual([4, 3]);
  });

  test('added tokens match leftmost, then longest, take white space as they say, and whole words where they must', () => {
    const added = [
      { id: 600, content: '<a>' }, { id: 601, content: '<a><b>' }, { id: 602, content: '<l>', lstrip: true, rstrip: true },
      { id: 603, content: 'word', single_word: true },
    ];
    const tokenizer = new Tokenizer({ ...bytes.data, tokenizer: { ...bytes.data.tokenizer, added_tokens: added } });
    const parts = (text: string): (string | number)[] => tokenizer.split(text).map((part) => (typeof part === 'string' ? part : part.id));
    expect(parts('x<a><b><a>y')).toEqual(['x', 601, 600, 'y']);
    expect(parts('x  <l>  y <l>')).toEqual(['x', 602, 'y', 602]);
    expect(parts('word words sword word')).toEqual([603, ' words sword ', 603]);
  });

  test('bos goes first where asked for', () => {
    expect(bytes.encode('', { bos: true })).toEqual([0]);
    expect(bytes.encode('a', { bos: true }).slice(1)).toEqual(bytes.encode('a'));
  });

  test('bytesOf() gives the bytes of parts of characters, of added tokens, and nothing for an unknown id', () => {
    expect(bytes.encode('京').flatMap((id) => [...bytes.bytesOf(id)])).toEqual([0xe4, 0xba, 0xac]);
    expect(pieces.encode('京').flatMap((id) => [...pieces.bytesOf(id)])).toEqual([0x20, 0xe4, 0xba, 0xac]);
    expect(new TextDecoder().decode(bytes.bytesOf(1))).toBe('</s>');
    expect(bytes.bytesOf(1e6)).toEqual(new Uint8Array(0));
  });

  test('bytes that are no UTF-8 decode to U+FFFD', () => {
    const [first] = bytes.encode('京');
    expect(bytes.decode([first!, ...bytes.encode('a')])).toBe('�a');
  });

  test.each<[string, Metadata]>([
    ['a model of another type', { model: { type: 'Unigram', vocab: [] } }],
    ['an unknown pre-tokenizer', { pre_tokenizer: { type: 'Martian' } }],
    ['an unknown normaliser', { normalizer: { type: 'Martian' } }],
    ['an unknown decoder', { decoder: { type: 'CTC' } }],
    ['no decoder', { decoder: null }],
  ])('%s is unsupported_model', (_, changes) => {
    expect(codeOf(() => new Tokenizer({ ...bytes.data, tokenizer: { ...bytes.data.tokenizer, ...changes } }))).toBe('unsupported_model');
  });

  test.each<[string, Metadata]>([
    ['no model', { model: null }],
    ['a vocabulary list', { model: { type: 'BPE', vocab: [], merges: [] } }],
    ['a fractional id', { model: { type: 'BPE', vocab: { a: 0.5 }, merges: [] } }],
    ['an absurd id', { model: { type: 'BPE', vocab: { a: 2 ** 40 }, merges: [] } }],
    ['no merges', { model: { type: 'BPE', vocab: { a: 0 } } }],
    ['a merge of three', { model: { type: 'BPE', vocab: { a: 0 }, merges: ['a a a'] } }],
    ['a merge of unknown tokens', { model: { type: 'BPE', vocab: { a: 0 }, merges: [['a', 'b']] } }],
    ['an added token without an id', { added_tokens: [{ content: 'x' }] }],
  ])('%s is invalid_file', (_, changes) => {
    expect(codeOf(() => new Tokenizer({ ...bytes.data, tokenizer: { ...bytes.data.tokenizer, ...changes } }))).toBe('invalid_file');
  });
});

describe('tokenizerFromGguf()', () => {
  const data = (changes: Metadata): ReturnType<typeof tokenizerFromGguf> =>
    tokenizerFromGguf(new Map(Object.entries({ ...byteLevel.metadata, ...changes })));

  test('reads ids that end a text, from the file and from well-known control tokens', () => {
    const tokens = [...(byteLevel.metadata['tokenizer.ggml.tokens'] as string[]), '<|im_end|>', '<|eot_id|>'];
    const types = [...(byteLevel.metadata['tokenizer.ggml.token_type'] as number[]), 3, 1];
    expect(data({ 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.token_type': types }).eos).toEqual([1, tokens.length - 2]);
    expect(data({ 'tokenizer.ggml.eot_token_id': 5n }).eos).toEqual([1, 5]);
  });

  test('takes typed arrays for lists of numbers', () => {
    const types = Int32Array.from(byteLevel.metadata['tokenizer.ggml.token_type'] as number[]);
    expect(data({ 'tokenizer.ggml.token_type': types })).toEqual(data({}));
  });

  test('bos goes first as the file says, else as its kind does', () => {
    expect(data({}).addBos).toBe(false);
    expect(data({ 'tokenizer.ggml.pre': 'llama-bpe' }).addBos).toBe(true);
    expect(data({ 'tokenizer.ggml.pre': 'llama-bpe', 'tokenizer.ggml.add_bos_token': false }).addBos).toBe(false);
  });

  test.each<[string, string, Metadata]>([
    ['unsupported_model', 'another kind', { 'tokenizer.ggml.model': 't5' }],
    ['unsupported_model', 'an unknown pre-tokenizer', { 'tokenizer.ggml.pre': 'martian' }],
    ['unsupported_model', 'a pre-tokenizer named like a method', { 'tokenizer.ggml.pre': 'constructor' }],
    ['invalid_file', 'no kind', { 'tokenizer.ggml.model': undefined }],
    ['invalid_file', 'a kind that is a number', { 'tokenizer.ggml.model': 7 }],
    ['invalid_file', 'tokens that are numbers', { 'tokenizer.ggml.tokens': [1, 2] }],
    ['invalid_file', 'no tokens', { 'tokenizer.ggml.tokens': [] }],
    ['invalid_file', 'too few token types', { 'tokenizer.ggml.token_type': [1] }],
    ['invalid_file', 'no merges', { 'tokenizer.ggml.merges': undefined }],
    ['invalid_file', 'a merge without a space', { 'tokenizer.ggml.merges': ['ab'] }],
    ['invalid_file', 'an eos beyond the vocabulary', { 'tokenizer.ggml.eos_token_id': 99999 }],
    ['invalid_file', 'a bos that is text', { 'tokenizer.ggml.bos_token_id': '1' }],
    ['invalid_file', 'a flag that is a number', { 'tokenizer.ggml.add_bos_token': 1 }],
    ['invalid_file', 'no scores', { 'tokenizer.ggml.model': 'llama' }],
  ])('%s: %s', (code, _, changes) => {
    expect(codeOf(() => data(changes))).toBe(code);
  });
});
