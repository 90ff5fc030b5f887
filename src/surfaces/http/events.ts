import { errorBody, problemOf } from './errors.ts';

const encoder = new TextEncoder();
const event = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`);

/**
 * Server-sent events, each made when the reader asks for it: so each is sent before the next one is worked on, and a reader that stalls holds the work
 * up. An error in the middle is the last event, and `failed` hears it.
 */
export function eventStream(events: AsyncIterator<object>, cancel: (reason: unknown) => void, failed: (error: unknown) => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await events.next();
        controller.enqueue(event(done === true ? '[DONE]' : JSON.stringify(value)));
        if (done === true) controller.close();
      } catch (error) {
        failed(error);
        controller.enqueue(event(JSON.stringify(errorBody(problemOf(error)))));
        controller.close();
      }
    },
    cancel,
  }, { highWaterMark: 0 });
}
