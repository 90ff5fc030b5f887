import { network, type Network } from '../../src/surfaces/network/network.ts';

/** A network whose waits are noted, not waited for. */
export function quickNetwork(settings: Partial<Network> = {}): Network & { readonly waits: number[] } {
  const waits: number[] = [];
  const sleep = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
    waits.push(ms);
    signal?.throwIfAborted();
  };
  return { ...network({ sleep, stallMs: 300, ...settings }), waits };
}

/** Bytes that look like nothing. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
