import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventOf, startSandbox, type Sandbox, type SandboxAnswer } from '../../scripts/lambda.mjs';
import { load } from '../../src/surfaces/adapters/node.ts';
import { embedded, having, root } from './having.ts';

const ric = await having('ric');
const CHAT = '/v1/chat/completions';
const MOST_BYTES = 250e6;
/** `<|im_end|>`: without it an answer goes on to its most tokens, some 15 s. */
const END = 2;

interface Part {
  readonly choices: readonly { readonly delta: { readonly content?: string }; readonly finish_reason: string | null }[];
}

const ask = (content: string, fields: object = {}): object =>
  eventOf('POST', CHAT, JSON.stringify({ temperature: 0, max_tokens: 24, messages: [{ role: 'user', content }], ...fields }));

async function read({ body }: SandboxAnswer): Promise<readonly string[]> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  for await (const piece of body) pieces.push(decoder.decode(piece, { stream: true }));
  return pieces;
}

/** The text of server-sent events. */
function textOf(events: string): string {
  const parts = events.split('\n\n').filter((event) => event.startsWith('data: {')).map((event) => JSON.parse(event.slice(6)) as Part);
  return parts.map(({ choices }) => choices[0]!.delta.content ?? '').join('');
}

/** Seconds of processor time so far; only Linux says. */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

describe.skipIf(ric === null || !existsSync(`${embedded}/model.json`))('examples/lambda in the runtime interface client', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tetrad-lambda-'));
  let printed = '';
  let sandbox: Sandbox;

  beforeAll(async () => {
    printed = execFileSync(process.execPath, [join(root, 'examples/lambda/build.mjs'), '--out', folder], { encoding: 'utf8' });
    sandbox = await startSandbox({ ric: ric!.binary, task: folder });
  });
  afterAll(async () => {
    await sandbox.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is far below what Lambda takes', () => {
    const bytes = Number(/ (\d+) bytes/.exec(printed)![1]);
    expect(bytes).toBeGreaterThan(80e6);
    expect(bytes).toBeLessThan(MOST_BYTES / 2);
  });

  it('cold: streams the text that the library gives, in pieces as they come', async () => {
    const question = 'What is the capital of France? Answer in one sentence.';
    const answer = await sandbox.invoke(ask(question, { stream: true }));
    expect([answer.statusCode, answer.headers['content-type'], answer.cookies]).toEqual([200, 'text/event-stream; charset=utf-8', []]);
    const pieces = await read(answer);
    expect(pieces.length).toBeGreaterThan(3);
    await using model = await load(embedded, { threads: 1 });
    expect(textOf(pieces.join(''))).toBe((await model.chat([{ role: 'user', content: question }], { temperature: 0, maxTokens: 24 }).result).text);
    expect(pieces.join('')).toMatch(/data: \[DONE\]\n\n$/);
  });

  it('warm: answers again in the same process, whole, with a status of its own for what it refuses', async () => {
    const whole = await sandbox.invoke(ask('Name a colour.', { max_tokens: 4 }));
    expect(JSON.parse((await read(whole)).join(''))).toMatchObject({ object: 'chat.completion', usage: { completion_tokens: 4 } });
    const refused = await sandbox.invoke(ask('x', { tools: [] }));
    expect([refused.statusCode, JSON.parse((await read(refused)).join(''))]).toEqual([400, { error: expect.objectContaining({ param: 'tools' }) as object }]);
    const preflight = await sandbox.invoke(eventOf('OPTIONS', CHAT));
    expect([preflight.statusCode, await read(preflight)]).toEqual([204, []]);
  });

  it('a connection that breaks in the middle stops the tokens and lets the next one in', async () => {
    // The client leaves the error of its own connection unhandled, which ends the process, whereupon Lambda starts another. Here it goes on.
    const lasting = await startSandbox({ ric: ric!.binary, task: folder, command: ['env', 'NODE_OPTIONS=--unhandled-rejections=warn'] });
    try {
      const answer = await lasting.invoke(ask('Write a long story.', { stream: true, max_tokens: 2000, logit_bias: { [END]: -100 } }));
      let pieces = 0;
      for await (const _ of answer.body) if (++pieces === 3) break;
      answer.cut();
      const cut = Date.now();
      const next = await lasting.invoke(ask('Name a colour.', { max_tokens: 4 }));
      expect(JSON.parse((await read(next)).join(''))).toMatchObject({ usage: { completion_tokens: 4 } });
      expect(Date.now() - cut).toBeLessThan(4000);
      expect(lasting.log()).toMatch(/EPIPE|ECONNRESET|socket hang up/);
      const before = processorSeconds(lasting.pid);
      await sleep(300);
      expect(processorSeconds(lasting.pid) - before).toBeLessThan(0.1);
    } finally {
      await lasting.stop();
    }
  });
});

it.skipIf(ric === null)('startSandbox(): a handler that cannot be loaded is reported as an error of init', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tetrad-lambda-'));
  writeFileSync(join(folder, 'handler.mjs'), "throw new Error('no model')");
  const sandbox = await startSandbox({ ric: ric!.binary, task: folder });
  try {
    await expect(sandbox.invoke(eventOf('GET', '/health'))).rejects.toThrow('no model');
  } finally {
    await sandbox.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
