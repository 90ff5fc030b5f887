import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TokenizerData } from '../../src/core/tokenizer-data.ts';
import { tokenizerFromGguf } from '../../src/tokenizer/gguf-vocab.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

interface Case {
  readonly text: string;
  readonly ids: number[];
  readonly decoded: string;
}

/** Written by test/oracles/tokenizer_cases.py. */
interface Fixture {
  readonly sentencepiece: { readonly metadata: Record<string, unknown>; readonly cases: Case[]; readonly withoutPrefix: Case[] };
  readonly byteLevel: { readonly metadata: Record<string, unknown>; readonly cases: Record<string, Case[]> };
  readonly metaspace: { readonly tokenizer: Record<string, unknown>; readonly cases: Case[] };
}

const { sentencepiece, byteLevel, metaspace } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../fixtures/tokenizers.json'), 'utf8')) as Fixture;

const fromGguf = (metadata: Record<string, unknown>, changes: Record<string, unknown> = {}): TokenizerData =>
  tokenizerFromGguf(new Map(Object.entries({ ...metadata, ...changes })));

function expectCases(data: TokenizerData, cases: readonly Case[]): void {
  const tokenizer = new Tokenizer(data);
  expect(cases.map(({ text }) => ({ text, ids: tokenizer.encode(text, { special: true }) }))).toEqual(cases.map(({ text, ids }) => ({ text, ids })));
  expect(cases.map(({ ids }) => tokenizer.decode(ids))).toEqual(cases.map(({ decoded }) => decoded));
}

describe('Tokenizer equals the Rust library', () => {
  test.each(Object.entries(byteLevel.cases))('on a GGUF vocabulary cut as %s', (pre, cases) => {
    expectCases(fromGguf(byteLevel.metadata, { 'tokenizer.ggml.pre': pre }), cases);
  });

  test('on a GGUF SentencePiece vocabulary', () => {
    expectCases(fromGguf(sentencepiece.metadata), sentencepiece.cases);
  });

  test('on a GGUF SentencePiece vocabulary without a space prefix', () => {
    expectCases(fromGguf(sentencepiece.metadata, { 'tokenizer.ggml.add_space_prefix': false }), sentencepiece.withoutPrefix);
  });

  test('on a tokenizer.json that prefixes the first part only', () => {
    expectCases({ tokenizer: metaspace.tokenizer, bos: 1, eos: [2], addBos: true, chatTemplate: null }, metaspace.cases);
  });
});
