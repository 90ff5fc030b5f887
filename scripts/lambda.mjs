// A sandbox of AWS Lambda on this machine: the real runtime interface client, run against a runtime API on a free port of the loopback interface.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

const API = '/2018-06-01/runtime/';
const HTTP_ANSWER = 'application/vnd.awslambda.http-integration-response';
/** Between status and headers, as JSON, and the body. */
const DELIMITER = Buffer.alloc(8);
const LONGEST_MS = 60_000;

/** The event of a function URL. */
export const eventOf = (method, path, body, headers = {}) => ({
  version: '2.0', routeKey: '$default', rawPath: path, rawQueryString: '', headers: { 'content-type': 'application/json', ...headers },
  requestContext: { domainName: 'id.lambda-url.eu-west-1.on.aws', http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'local' }, requestId: randomUUID(), stage: '$default', time: '', timeEpoch: Date.now() },
  ...(body === undefined ? {} : { body: Buffer.from(body).toString('base64') }), isBase64Encoded: body !== undefined,
});

/** An answer as it comes: its status and headers are there, `body` gives its pieces, `cut` breaks its connection. */
async function answerOf(request) {
  if (request.headers['lambda-runtime-function-response-mode'] !== 'streaming') throw new Error('the answer is not streamed');
  if (request.headers['content-type'] !== HTTP_ANSWER) throw new Error(`the answer is ${request.headers['content-type']}`);
  const { socket } = request;
  const pieces = request[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (!head.includes(DELIMITER)) {
    const { done, value } = await pieces.next();
    if (done) throw new Error('the answer has no status');
    head = Buffer.concat([head, value]);
  }
  const end = head.indexOf(DELIMITER);
  async function* body() {
    if (head.length > end + DELIMITER.length) yield head.subarray(end + DELIMITER.length);
    yield* { [Symbol.asyncIterator]: () => pieces };
    const { 'lambda-runtime-function-error-body': fault } = request.trailers;
    if (fault) throw new Error(Buffer.from(fault, 'base64').toString());
  }
  return { ...JSON.parse(head.subarray(0, end)), body: body(), cut: () => socket.destroy() };
}

/** Starts a sandbox whose code is in the folder `task`. `command` runs before Node, such as `taskset -c 0`. `invoke` sends it an event; `stop` ends it. */
export async function startSandbox({ ric, task, handler = 'handler.handler', node = process.execPath, command = [] }) {
  const queue = [];
  const waiting = new Map();
  let idle = null;
  let failed = () => {};
  const failure = new Promise((_, reject) => (failed = reject));
  failure.catch(() => {}); // whoever invokes hears of it

  const give = () => {
    if (!idle || queue.length === 0) return;
    const { id, event } = queue.shift();
    idle.writeHead(200, {
      'content-type': 'application/json', 'lambda-runtime-aws-request-id': id, 'lambda-runtime-deadline-ms': String(Date.now() + LONGEST_MS),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-west-1:000000000000:function:tetrad', 'lambda-runtime-trace-id': 'Root=1-0-0;Sampled=0',
    }).end(JSON.stringify(event));
    idle = null;
  };
  const accept = (response) => response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');

  const server = createServer(async (request, response) => {
    const [, id, what] = request.url.startsWith(`${API}invocation/`) ? /^invocation\/([^/]+)(?:\/(\w+))?$/.exec(request.url.slice(API.length)) : [];
    if (request.method === 'GET' && id === 'next') {
      idle = response;
      give();
    } else if (request.method === 'POST' && what === 'response') {
      request.on('end', () => accept(response));
      answerOf(request).then(waiting.get(id).resolve, waiting.get(id).reject);
    } else if (request.method === 'POST' && (what === 'error' || request.url === `${API}init/error`)) {
      const error = new Error(await text(request));
      if (what) waiting.get(id).reject(error);
      else failed(error);
      accept(response);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

  const [program, ...args] = [...command, node, join(dirname(ric), 'index.mjs')];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH, TZ: 'UTC', AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${server.address().port}`, _HANDLER: handler, LAMBDA_TASK_ROOT: task,
      AWS_LAMBDA_FUNCTION_NAME: 'tetrad', AWS_LAMBDA_FUNCTION_VERSION: '$LATEST', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1769', AWS_REGION: 'eu-west-1',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/tetrad', AWS_LAMBDA_LOG_STREAM_NAME: 'local',
    },
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill); // whatever ends this process ends the sandbox
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece) => (log += piece));
  const exited = new Promise((resolve) => child.once('error', (error) => resolve(error.message)).once('close', (code, signal) => resolve(signal ?? code)));
  exited.then((code) => failed(new Error(`the runtime ended with ${code}: ${log}`)));

  return {
    pid: child.pid, exited, log: () => log,
    invoke(event) {
      const id = randomUUID();
      const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
      queue.push({ id, event });
      give();
      return Promise.race([answer, failure]);
    },
    async stop() {
      kill();
      process.off('exit', kill);
      await exited;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
