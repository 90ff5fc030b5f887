import { TetradError, type ErrorCode } from '../../core/errors.ts';

/** What OpenAI's clients expect as the body of an answer that is none, beside its status. */
export interface Problem {
  readonly status: number;
  readonly message: string;
  readonly code: string;
  /** The field of the request that is to blame. */
  readonly param?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Ends a request; never leaves the handler. */
export class HttpError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

const RETRY_SECONDS = 2;

/** What a client may do about: by the library's code, the status and OpenAI's code for it. */
const REFUSALS: Readonly<Partial<Record<ErrorCode, Omit<Problem, 'message'>>>> = {
  invalid_argument: { status: 400, code: 'invalid_value' },
  empty_prompt: { status: 400, code: 'invalid_value' },
  context_overflow: { status: 400, code: 'context_length_exceeded' },
  no_template: { status: 400, code: 'unsupported_endpoint' },
  busy: { status: 503, code: 'busy', headers: { 'retry-after': String(RETRY_SECONDS) } },
};

/** Anything that was thrown, as an answer's problem. Clients are not told of errors that are not the library's own. */
export function problemOf(error: unknown): Problem {
  if (error instanceof HttpError) return error.problem;
  if (!TetradError.is(error)) return { status: 500, message: 'Cannot answer: something unforeseen happened', code: 'internal_error' };
  return { status: 500, message: error.message, code: error.code, ...REFUSALS[error.code] };
}

/** OpenAI's shape of it. */
export const errorBody = ({ status, message, code, param = undefined }: Problem): object => ({
  error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: param ?? null, code },
});
