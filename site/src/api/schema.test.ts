import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

it('is generated from the openapi.json that lies here; run `npm run types` otherwise', () => {
  const digest = createHash('sha256').update(read('../../openapi.json')).digest('hex');
  expect(read('./schema.ts').split('\n')[0]).toBe(`// openapi.json sha256 ${digest}`);
});
