/**
 * Other runtimes and ours in turns, on the same model and threads: each contender's run follows one of ours, and ratios are taken by pair.
 * Usage: npm run bench -- peers [--peers LIST] [--tests speed,deep,batch,cold] [--threads 1,2] [--rounds 5] [--json FILE] [--svg] [--from FILE]
 * The peers' harness: TETRAD_SHARED, PEERS_HOME and MODEL (bench/README.md). `--peers chromium` needs a browser only.
 */
import { parseArgs } from 'node:util';
import { CONTESTS, type Contender, type Contest, type Figures } from './peers/contests.ts';
import { missingHarness } from './peers/harness.ts';
import { peerTable, rowsOf, type PeerRow } from './peers/table.ts';
import { headLine, readResult, thisMachine, writeResult, writeText, type Result } from './result.ts';
import { barsSvg } from './svg/bars.ts';

const PEERS = ['llama.cpp', 'wllama', 'transformers.js', 'chromium'];
const TESTS = CONTESTS.map(({ test }) => test);

const { values: options } = parseArgs({
  options: {
    peers: { type: 'string', default: PEERS.join(',') }, tests: { type: 'string', default: TESTS.join(',') }, threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '5' }, json: { type: 'string' }, svg: { type: 'boolean' }, from: { type: 'string' },
  },
});

/** The items of a comma-separated list; ends the program where one is unknown. */
function chosen(list: string, known: readonly string[]): string[] {
  const items = list.split(',');
  const unknown = items.find((item) => !known.includes(item));
  if (unknown !== undefined) fail(`unknown "${unknown}": of ${known.join(', ')} are needed`);
  return items;
}

function fail(message: string): never {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(2);
}

type Pairs = (readonly [ours: Figures | null, theirs: Figures])[];

/** A run's figures, or null with a note. */
async function attempt(name: string, run: () => Promise<Figures>): Promise<Figures | null> {
  try {
    return await run();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = /^\w*Error: .*$/m.exec(message)?.[0] ?? message.split('\n')[0]!; // of a failed process the line that says why
    process.stderr.write(`Note: ${name} is left out: ${reason}\n`);
    return null;
  }
}

/** All rounds of a contest: in each, ours and a contender take turns, contender after contender. */
async function play({ test, ours }: Contest, against: readonly Contender[], threads: number, rounds: number): Promise<PeerRow[]> {
  const pairs = new Map<Contender, Pairs>(against.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [contender, list] of pairs) {
      process.stderr.write(`${test}, ${threads} threads, round ${round + 1} of ${rounds}: ${contender.name}\n`);
      const own = await attempt('ours', () => ours(threads));
      const theirs = await attempt(contender.name, () => contender.run(threads));
      if (theirs) list.push([own, theirs]);
      else pairs.delete(contender);
    }
  }
  return [...pairs].flatMap(([contender, list]) => rowsOf(test, threads, contender.name, list));
}

async function runAll(): Promise<Result<PeerRow>> {
  const peers = chosen(options.peers, PEERS);
  const tests = chosen(options.tests, TESTS);
  const missing = peers.some((peer) => peer !== 'chromium') ? missingHarness() : null;
  if (missing) fail(missing);
  const rows: PeerRow[] = [];
  for (const contest of CONTESTS.filter(({ test }) => tests.includes(test))) {
    const against = contest.against.filter(({ peer }) => peers.includes(peer));
    for (const threads of options.threads.split(',').map(Number)) rows.push(...(await play(contest, against, threads, Number(options.rounds))));
  }
  return { bench: 'peers', machine: thisMachine(), limits: null, rows };
}

const result = options.from === undefined ? await runAll() : readResult<PeerRow>(options.from);
process.stdout.write(`${headLine(result)}\n\n${peerTable(result.rows)}`);
if (options.json !== undefined) writeResult(options.json, result);
if (options.svg) writeText('docs/peers.svg', barsSvg(result));
