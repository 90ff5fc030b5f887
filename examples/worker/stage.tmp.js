import { env } from 'cloudflare:workers';
import { assetDirectory, load, platformOf } from '../../src/surfaces/adapters/workerd.ts';
import { openContainer } from '../../src/container/read.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { estimateOf, modelOf } from '../../src/surfaces/loader.ts';
import { layoutMemory } from '../../src/runtime/layout.ts';
const dir = assetDirectory(env.ASSETS, 'https://assets.local/smollm2-135m-instruct');
let s = {};
const stages = {
  async text() { const x = await dir.open('model.json'); s.bytes = new Uint8Array(x.size); await x.read(0, s.bytes); return x.size; },
  async drop() { s = {}; },
  async image() { s.image = await openContainer(dir); return 1; },
  async tok() { s.tok = new Tokenizer(s.image.manifest.tokenizer); s.tok.encode('hello world'); },
  async selftest() { const p = platformOf({}); p.open(100); },
  async mem() { const e = estimateOf(s.image.manifest, { context: 2048 }); s.mem = new WebAssembly.Memory({ initial: Math.ceil(e.total / 65536), maximum: Math.ceil(e.total / 65536) }); return JSON.stringify(e); },
  async touch() { new Uint8Array(s.mem.buffer).fill(1); },
  async read1() { const x = await dir.open('00.bin', 25165824); await x.read(0, new Uint8Array(s.mem.buffer, 0, 25165824)); },
  async read() { for (let i = 0; i < 3; i++) { const x = await dir.open('0' + i + '.bin', 25165824); await x.read(0, new Uint8Array(s.mem.buffer, i * 25165824, 25165824)); } },
  async byob() { for (let i = 0; i < 3; i++) { const r = await env.ASSETS.fetch('https://a/smollm2-135m-instruct/0' + i + '.bin'); const rd = r.body.getReader({ mode: 'byob' }); let buf = new Uint8Array(65536); const t = new Uint8Array(s.mem.buffer, i * 25165824, 25165824); let at = 0, n = 0; for (;;) { const { done, value } = await rd.read(buf); n++; if (done) break; t.set(value, at); at += value.length; buf = new Uint8Array(value.buffer); } s.n = n; } return s.n; },
  async byob2() { const r = await env.ASSETS.fetch('https://a/smollm2-135m-instruct/00.bin'); const rd = r.body.getReader(); let k = []; for (let i = 0; i < 10; i++) k.push((await rd.read()).value.length); rd.cancel(); return k; },
  async fetched() { s.r = await (await env.ASSETS.fetch('https://a/smollm2-135m-instruct/model.json')).arrayBuffer(); },
  async decode() { s.str = new TextDecoder('utf-8', { fatal: true }).decode(s.r); },
  async decode0() { s.str = new TextDecoder().decode(s.r); },
  async decodec() { const d = new TextDecoder('utf-8', { fatal: true }); const b = new Uint8Array(s.r); let x = ''; for (let i = 0; i < b.length; i += 16384) x += d.decode(b.subarray(i, i + 16384), { stream: true }); s.str = x + d.decode(); },
  async decodee() { const d = new TextDecoder('utf-8', { fatal: true }); const b = new Uint8Array(s.r); let x = ''; for (let i = 0; i < b.length; i += 131072) x += d.decode(b.subarray(i, i + 131072), { stream: true }); s.str = x + d.decode(); },
  async json() { s.o = JSON.parse(s.str); },
  async astext() { s.str = await (await env.ASSETS.fetch('https://a/smollm2-135m-instruct/model.json')).text(); },
  async small() { s.r = await (await env.ASSETS.fetch('https://a/README.md')).text(); },
  async parse() { const x = await dir.open('model.json'); s.bytes = new Uint8Array(x.size); await x.read(0, s.bytes); s.json = JSON.parse(new TextDecoder().decode(s.bytes)); },
  async dig1() { await crypto.subtle.digest('SHA-256', new Uint8Array(s.mem.buffer, 0, 25165824)); },
  async dig() { for (let i = 0; i < 3; i++) await crypto.subtle.digest('SHA-256', new Uint8Array(s.mem.buffer, i * 25165824, 25165824)); },
  async ds() { for (let i = 0; i < 3; i++) { const d = new crypto.DigestStream('SHA-256'); const w = d.getWriter(); for (let j = 0; j < 25165824; j += 65536) await w.write(new Uint8Array(s.mem.buffer, i * 25165824 + j, 65536)); await w.close(); await d.digest; } },
  async load() { s.model = await load(dir, { context: 2048 }); },
  async gen() { return (await s.model.generate('Hello', { maxTokens: 20 }).result).text; },
  async long() { return (await s.model.generate(Array.from({ length: 2000 }, (_, i) => (i * 7919 + 13) % 49152), { maxTokens: 20 }).result).text.length; },
};
export default { async fetch(request) { const k = new URL(request.url).pathname.slice(1); return new Response(String(await stages[k]?.())); } };
