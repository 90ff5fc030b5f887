import { afterEach, describe, expect, it, vi } from 'vitest';
import { backendOpener } from '../../src/backends/open.ts';
import { compileModules } from '../../src/surfaces/modules.ts';

afterEach(() => vi.unstubAllGlobals());

const empty = new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));

describe('compileModules()', () => {
  it('compiles each form once, and goes without relaxed SIMD where it is refused', async () => {
    const seen: string[] = [];
    const modules = compileModules(async (name, shared) => {
      seen.push(`${name} ${shared}`);
      if (name === 'relaxed') throw new WebAssembly.CompileError('no relaxed SIMD');
      return empty;
    });
    expect(await modules()).toEqual({ simd128: empty, relaxed: null, shared: false });
    expect(await modules(false)).toBe(await modules());
    expect((await modules(true)).shared).toBe(true);
    expect(seen).toEqual(['simd128 false', 'relaxed false', 'simd128 true', 'relaxed true']);
  });

  it('tries anew after a failure, which it passes on unless the engine refused', async () => {
    let refusal: Error | null = new Error('cut');
    const modules = compileModules(async () => {
      if (refusal) throw refusal;
      return empty;
    });
    await expect(modules()).rejects.toThrow('cut');
    refusal = new WebAssembly.CompileError('no SIMD');
    await expect(modules()).rejects.toMatchObject({ code: 'no_kernel', message: /"no SIMD", needed is WebAssembly with SIMD/ });
    refusal = null;
    expect((await modules()).simd128).toBe(empty);
  });

  it('refuses where there is no WebAssembly', async () => {
    vi.stubGlobal('WebAssembly', undefined);
    await expect(compileModules(async () => empty)()).rejects.toMatchObject({ code: 'no_kernel', message: /there is no WebAssembly here/ });
  });
});

describe('backendOpener()', () => {
  it.each(['fast', 'relaxed', '', '__proto__'])('refuses the path %j, which there is not', (path) => {
    const modules = { simd128: empty, relaxed: null };
    expect(() => backendOpener({ modules, path: path as 'auto', now: () => 0 })).toThrow(expect.objectContaining({
      code: 'invalid_argument', message: `Cannot run on the path ${JSON.stringify(path)}: needed is auto, reference or one of relaxed-i32, relaxed-i16, simd128`,
    }));
  });
});
