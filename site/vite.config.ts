import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds the API: a running `abovefold`, or `npm run mock`. */
const api = process.env['ABOVEFOLD_URL'] ?? 'http://127.0.0.1:8000';

/** The API's paths, by how they begin. */
const apiPaths = ['/recommend', '/event', '/articles', '/users/', '/readers/', '/demo/', '/session', '/health', '/admin/'];

export default defineConfig({
  // JSX settings are taken from tsconfig.json, so no plugin is needed.
  build: {
    target: 'es2022',
    // Everything stays a file of its own: the content security policy allows no inline script or style.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The newspaper, and the operations page, which the program serves at /ops.
    rolldownOptions: { input: ['index.html', 'ops.html'] },
    reportCompressedSize: true,
  },
  server: { proxy: Object.fromEntries(apiPaths.map((path) => [path, api])) },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'], environment: 'node' },
});
