/** What went wrong, for programs. The set only grows: callers may switch on it. */
export type ErrorCode =
  | 'invalid_argument' // a value the caller passed is out of range or of the wrong kind
  | 'invalid_file' // a model file is malformed, truncated or inconsistent
  | 'digest_mismatch' // bytes differ from the digest that the container states
  | 'unsupported_version' // a container newer than this library
  | 'unsupported_model' // an architecture or a feature of one that is not in the table
  | 'unsupported_type' // a tensor type or number format with no reader or kernel
  | 'missing_tensor'
  | 'invalid_recipe'
  | 'unknown_recipe'
  | 'not_found'
  | 'io_error'
  | 'network_error' // a server or the way to it fails, after all retries
  | 'unauthorized' // a server asks for credentials, or for others
  | 'source_changed' // a remote file became another one while it was read
  | 'offline' // something is not in the cache, and the network is not to be used
  | 'storage_full' // the disk or a quota
  | 'context_overflow' // more tokens than the context holds
  | 'empty_prompt'
  | 'over_budget' // estimate() exceeds the given memory budget
  | 'out_of_memory'
  | 'worker_failed' // a thread of a running model ended, threw or stopped moving
  | 'busy' // one generation at a time per model
  | 'disposed'
  | 'no_template' // chat() on a model without a chat template
  | 'session_mismatch' // a saved session of another model, or with another KV format
  | 'no_kernel'; // no kernel on this engine passed its self-test

const MARK = Symbol.for('tetrad.error');

/** The one error class of the library. `message` reads `failed action: what was found, what is needed`. */
export class TetradError extends Error {
  override readonly name = 'TetradError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, MARK, { value: true });
  }

  /** True across duplicate copies of the library, where `instanceof` fails. */
  static is(value: unknown): value is TetradError {
    return typeof value === 'object' && value !== null && MARK in value;
  }
}
