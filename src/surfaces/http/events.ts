import { errorBody, problemOf } from './errors.ts';

const encoder = new TextEncoder();
const event = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`);

/** A reader that asks for nothing for so long has gone: others wait behind it. */
const STALL_MS = 60_000;

/**
 * Server-sent events, each made when the reader asks for it: so each is sent before the next one is worked on. A reader that stalls holds the work up for
 * a minute, then ends it. An error in the middle is the last event, and `failed` hears it.
 */
export function eventStream(events: AsyncIterator<object>, cancel: (reason: unknown) => void, failed: (error: unknown) => void): ReadableStream<Uint8Array> {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const wait = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    waiting = setTimeout(() => {
      const reason = new DOMException(`The client has read nothing for ${STALL_MS / 1000} s`, 'TimeoutError');
      controller.error(reason);
      cancel(reason);
    }, STALL_MS);
  };
  return new ReadableStream<Uint8Array>({
    start: wait,
    async pull(controller) {
      clearTimeout(waiting);
      try {
        const { done, value } = await events.next();
        controller.enqueue(event(done === true ? '[DONE]' : JSON.stringify(value)));
        if (done === true) controller.close();
        else wait(controller);
      } catch (error) {
        failed(error);
        controller.enqueue(event(JSON.stringify(errorBody(problemOf(error)))));
        controller.close();
      }
    },
    cancel(reason) {
      clearTimeout(waiting);
      cancel(reason);
    },
  }, { highWaterMark: 0 });
}
