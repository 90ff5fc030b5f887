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

/** What the request is to blame for, by the library's code, and OpenAI's code for it. */
const REFUSALS: Readonly<Partial<Record<ErrorCode, string>>> = {
  invalid_argument: 'invalid_value',
  empty_prompt: 'invalid_value',
  context_overflow: 'context_length_exceeded',
  no_template: 'unsupported_endpoint',
};

/** Anything that was thrown, as an answer's problem. Clients are not told of errors that are not the library's own. */
export function problemOf(error: unknown): Problem {
  if (error instanceof HttpError) return error.problem;
  if (!TetradError.is(error)) return { status: 500, message: 'Cannot answer: something unforeseen happened', code: 'internal_error' };
  const refusal = REFUSALS[error.code];
  return refusal === undefined ? { status: 500, message: error.message, code: error.code } : { status: 400, message: error.message, code: refusal };
}

/** OpenAI's shape of it. */
export const errorBody = ({ status, message, code, param = undefined }: Problem): object => ({
  error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: param ?? null, code },
});
