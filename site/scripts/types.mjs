/**
 * Writes src/api/schema.ts from openapi.json, which `abovefold openapi` prints. The generator needs another TypeScript
 * than the site's, so npx keeps it apart. The head of the file keeps the document's digest, for a test to compare.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const site = fileURLToPath(new URL('..', import.meta.url));
const schema = `${site}src/api/schema.ts`;
if (!existsSync(`${site}openapi.json`)) {
  console.error('no openapi.json here: write it first with `abovefold openapi > openapi.json`');
  process.exit(1);
}
const packages = ['--yes', '--package', 'openapi-typescript@7.13.0', '--package', 'typescript@5.9.3', 'openapi-typescript'];
// A field with a default may be left out of a request all the same.
const options = ['openapi.json', '--default-non-nullable', 'false', '-o', schema];
const { status } = spawnSync('npx', [...packages, ...options], { cwd: site, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
const digest = createHash('sha256').update(readFileSync(`${site}openapi.json`)).digest('hex');
writeFileSync(schema, `// openapi.json sha256 ${digest}\n${readFileSync(schema, 'utf8')}`);
