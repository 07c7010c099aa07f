/**
 * Writes src/api/schema.ts from openapi.json, which `abovefold` serves at /openapi.json. The generator needs another
 * TypeScript than the site's, so npx keeps it apart.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const site = fileURLToPath(new URL('..', import.meta.url));
if (!existsSync(`${site}openapi.json`)) {
  console.error('no openapi.json here: save the one of a running abovefold (GET /openapi.json) beside package.json first');
  process.exit(1);
}
const generator = ['--yes', '--package', 'openapi-typescript@7.13.0', '--package', 'typescript@5.9.3', 'openapi-typescript'];
const { status } = spawnSync('npx', [...generator, 'openapi.json', '-o', 'src/api/schema.ts'], { cwd: site, stdio: 'inherit' });
process.exit(status ?? 1);
