import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'scripts/test-setup.mjs',
    pool: 'threads',
    maxWorkers: 2,
    watch: false,
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});
